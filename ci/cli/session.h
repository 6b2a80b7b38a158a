#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "ci/cli/arguments.h"
#include "ci/cli/exit_code.h"
#include "ci/cli/screen.h"

namespace rootwright::cli {

// One run of the program: what was asked, and where the answer goes. Borrows everything.
struct Session {
  const Arguments& arguments;
  Screen& out;
  Screen& error;
  const Clock& clock;
  absl::TimeZone zone;
  // "host:port".
  std::string master;
  // --json was given.
  bool json = false;
};

// Every command is such a function. An error becomes a message and an exit code in one
// place, RunCommandLine.
using Command = absl::StatusOr<ExitCode> (*)(Session&);

absl::StatusOr<ExitCode> BuildSubmit(Session& session);
absl::StatusOr<ExitCode> BuildWatch(Session& session);
absl::StatusOr<ExitCode> BuildLog(Session& session);
absl::StatusOr<ExitCode> BuildShow(Session& session);
absl::StatusOr<ExitCode> BuildList(Session& session);
absl::StatusOr<ExitCode> BuildCancel(Session& session);
absl::StatusOr<ExitCode> BuildShell(Session& session);
absl::StatusOr<ExitCode> BuildRelease(Session& session);
absl::StatusOr<ExitCode> BuildSsh(Session& session);
absl::StatusOr<ExitCode> BuildSshConfig(Session& session);
absl::StatusOr<ExitCode> BuildSshProxy(Session& session);
absl::StatusOr<ExitCode> ArtifactList(Session& session);
absl::StatusOr<ExitCode> ArtifactGet(Session& session);
absl::StatusOr<ExitCode> AgentList(Session& session);
absl::StatusOr<ExitCode> AgentShow(Session& session);
absl::StatusOr<ExitCode> AgentDrain(Session& session);
absl::StatusOr<ExitCode> AgentResume(Session& session);
absl::StatusOr<ExitCode> ImageImport(Session& session);
absl::StatusOr<ExitCode> ImageList(Session& session);
absl::StatusOr<ExitCode> ImageRemove(Session& session);
absl::StatusOr<ExitCode> SpecCheck(Session& session);
absl::StatusOr<ExitCode> SpecInit(Session& session);
absl::StatusOr<ExitCode> Doctor(Session& session);
absl::StatusOr<ExitCode> CompletionBash(Session& session);
absl::StatusOr<ExitCode> Help(Session& session);

// The command of that name in commands.cc; null when there is none.
Command FindCommand(absl::string_view words);

// What the environment has to say about a run.
struct CommandLine {
  std::vector<std::string> words;
  // ROOTWRIGHT_MASTER and NO_COLOR; empty when not set.
  std::string master;
  std::string no_color;
};

// Parses and runs; prints what went wrong. All of main but the setting up.
ExitCode RunCommandLine(const CommandLine& line, int out_fd, int error_fd, const Clock& clock,
                        absl::TimeZone zone);

}  // namespace rootwright::cli
