#include "ci/cli/session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/version.h"
#include "ci/cli/commands.h"
#include "ci/cli/json_line.h"
#include "ci/cli/rpc_error.h"

namespace rootwright::cli {
namespace {

constexpr std::pair<const char*, Command> kCommands[] = {
    {"build submit", BuildSubmit},
    {"build watch", BuildWatch},
    {"build log", BuildLog},
    {"build show", BuildShow},
    {"build list", BuildList},
    {"build cancel", BuildCancel},
    {"build shell", BuildShell},
    {"build release", BuildRelease},
    {"build ssh", BuildSsh},
    {"build ssh-config", BuildSshConfig},
    {"build ssh-proxy", BuildSshProxy},
    {"artifact list", ArtifactList},
    {"artifact get", ArtifactGet},
    {"agent list", AgentList},
    {"agent show", AgentShow},
    {"agent drain", AgentDrain},
    {"agent resume", AgentResume},
    {"image import", ImageImport},
    {"image list", ImageList},
    {"image remove", ImageRemove},
    {"spec check", SpecCheck},
    {"spec init", SpecInit},
    {"doctor", Doctor},
    {"completion bash", CompletionBash},
    {"help", Help},
};

Colour ColourFor(int fd, bool wanted) { return wanted && isatty(fd) == 1 ? Colour::kOn : Colour::kOff; }

}  // namespace

Command FindCommand(absl::string_view words) {
  for (const auto& [name, command] : kCommands) {
    if (words == name) return command;
  }
  return nullptr;
}

absl::StatusOr<ExitCode> CompletionBash(Session& session) {
  session.out.Write(BashCompletion());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Help(Session& session) {
  if (session.arguments.Has("man")) {
    session.out.Write(ManualPage());
    return ExitCode::kOk;
  }
  if (session.arguments.operands.empty()) {
    session.out.Write(OverviewText());
    return ExitCode::kOk;
  }
  std::vector<std::string> words = session.arguments.operands;
  words.emplace_back("--help");
  const auto asked = ParseArguments(words, Commands(), GlobalOptions());
  if (!asked.ok()) return asked.status();
  if (asked->command == nullptr) {
    words.pop_back();
    return ParseArguments(words, Commands(), GlobalOptions()).status();
  }
  session.out.Write(HelpText(*asked->command));
  return ExitCode::kOk;
}

ExitCode RunCommandLine(const CommandLine& line, int out_fd, int error_fd, const Clock& clock,
                        absl::TimeZone zone) {
  const auto arguments = ParseArguments(line.words, Commands(), GlobalOptions());
  const bool colours = line.no_color.empty() && !(arguments.ok() && arguments->Has("no-color"));
  Screen out(out_fd, ColourFor(out_fd, colours));
  Screen error(error_fd, ColourFor(error_fd, colours));
  if (!arguments.ok()) {
    // The words could not be read; `--json` among them still says for whom the answer is.
    const auto end = std::find(line.words.begin(), line.words.end(), "--");
    if (std::find(line.words.begin(), end, "--json") != end) out.Write(JsonErrorLine(arguments.status()));
    error.Write(ErrorText(arguments.status()));
    return ExitCodeOf(arguments.status());
  }
  if (arguments->Has("version")) {
    out.Write(absl::StrCat("rootwright ", kVersion, "\n"));
    return ExitCode::kOk;
  }
  if (arguments->Has("help")) {
    out.Write(arguments->command == nullptr ? OverviewText() : HelpText(*arguments->command));
    return ExitCode::kOk;
  }
  std::string master = arguments->Get("master", line.master);
  if (master.empty()) master = "127.0.0.1:7420";
  Session session{*arguments, out, error, clock, zone, std::move(master), arguments->Has("json")};
  const absl::StatusOr<ExitCode> code = FindCommand(arguments->command->words)(session);
  if (code.ok()) return *code;
  if (session.json) out.Write(JsonErrorLine(code.status()));
  error.Write(ErrorText(code.status()));
  return ExitCodeOf(code.status());
}

}  // namespace rootwright::cli
