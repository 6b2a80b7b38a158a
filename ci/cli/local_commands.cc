#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "ci/cli/host_report.h"
#include "ci/cli/session.h"

// `doctor`, which needs no master.
namespace rootwright::cli {
namespace {

// Beside this program, as builds and packages put it, else by PATH.
std::string AgentProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path beside = self.parent_path() / "rootwright-agent";
  return !error && access(beside.c_str(), X_OK) == 0 ? beside.string() : "rootwright-agent";
}

}  // namespace

absl::StatusOr<ExitCode> Doctor(Session& session) {
  SubprocessSpec agent;
  agent.argv = {AgentProgram(), "--check-host", "--json"};
  if (session.arguments.Has("config"))
    agent.argv.push_back(absl::StrCat("--config=", session.arguments.Get("config")));
  const auto result = RunSubprocess(agent, Deadline::In(absl::Minutes(2)), {});
  if (absl::IsNotFound(result.status())) {
    return absl::UnavailableError(
        "check this host: rootwright-agent: not found beside rootwright nor in PATH: install it on this "
        "host, or run doctor on the build host");
  }
  RW_RETURN_IF_ERROR(Annotate(result.status(), "check this host"));
  const auto report = ParseHostReport(result->output);
  if (!report.ok()) {
    return result->error_output.empty()
               ? report.status()
               : absl::InternalError(absl::StrCat("check this host: rootwright-agent: ",
                                                  Printable(result->error_output.substr(0, 2000))));
  }
  if (session.json) {
    // One line, as from every other command.
    session.out.Write(nlohmann::ordered_json::parse(result->output).dump() + "\n");
  } else {
    session.out.Write(HostReportLines(*report));
  }
  return report->ok() ? ExitCode::kOk : ExitCode::kBuildFailed;
}

}  // namespace rootwright::cli
