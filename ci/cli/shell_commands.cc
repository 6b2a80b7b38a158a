#include <utility>

#include "base/status.h"
#include "ci/cli/json_line.h"
#include "ci/cli/master_client.h"
#include "ci/cli/report.h"
#include "ci/cli/session.h"
#include "ci/cli/shell_call.h"

// `build shell` and `build release`: the ways into an environment, and out of one that is kept.
namespace rootwright::cli {

absl::StatusOr<ExitCode> BuildShell(Session& session) {
  v1::ShellStart start;
  start.set_build_id(session.arguments.Operand(0));
  v1::ShellCommand& command = *start.mutable_command();
  command.mutable_argv()->Assign(session.arguments.rest.begin(), session.arguments.rest.end());
  command.set_own_root(session.arguments.Has("root"));
  command.set_working_directory(session.arguments.Get("working-directory"));
  const ShellSignals signals;  // before the first thread of gRPC
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const ShellEnd end, RunShellHere(client, std::move(start), signals));
  // The program's own.
  return static_cast<ExitCode>(end.status());
}

absl::StatusOr<ExitCode> BuildRelease(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::Build build, client.Release(session.arguments.Operand(0)));
  session.out.Write(session.json ? JsonLine(build)
                                 : "The environment of build " + build.id() + " is given up.\n");
  return ExitCode::kOk;
}

}  // namespace rootwright::cli
