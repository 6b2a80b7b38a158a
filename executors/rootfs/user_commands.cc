#include "executors/rootfs/user_commands.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/rootfs/target_command.h"

namespace rootwright {

absl::StatusOr<StepResult> RunUserCommands(RootfsState& state, StepContext& context,
                                           const std::vector<SpecCommand>& commands,
                                           const CommandPlace& place) {
  StepResult result;
  std::map<std::string, std::string> variables = place.variables;
  // Not for the packages' scripts: Python would then write bytecode of another kind.
  variables["SOURCE_DATE_EPOCH"] = absl::StrCat(absl::ToUnixSeconds(state.source_date()));
  int64_t done = 0;
  for (const SpecCommand& command : commands) {
    const std::string text(absl::StripTrailingAsciiWhitespace(command.text));
    const std::string first_line = text.substr(0, text.find('\n'));
    context.reporter.Progress({done++, static_cast<int64_t>(commands.size()), "running", first_line});
    context.reporter.Log(OutputStream::kStdout, absl::StrCat("+ ", text, "\n"));
    RW_ASSIGN_OR_RETURN(const TargetOutcome outcome,
                        RunInTarget(state, context, {command.text, "", {}, {}, variables, {}, place.root}));
    AddUse(outcome.result, result);
    if (outcome.result.ok()) continue;
    const std::string last = outcome.tail.LastLines(1);
    result.failure = absl::StrCat("the command on line ", command.line, " of ", kConfigurationFile,
                                  " failed (", outcome.Ending(), ")", last.empty() ? "" : ": ", last);
    result.exit_code = outcome.result.exit_code;
    result.signal = outcome.result.signal;
    return result;
  }
  if (done > 0) context.reporter.Progress({done, done, "running", ""});
  return result;
}

absl::StatusOr<StepResult> SetOverlayAttributes(RootfsState& state, StepContext& context, const char* overlay,
                                                const CommandPlace& place) {
  StepResult result;
  const std::string script = AttributeScript(state.specification.overlay_attributes, overlay);
  if (script.empty()) return result;
  // By standard input: it may be longer than an argument can be.
  RW_ASSIGN_OR_RETURN(
      const TargetOutcome outcome,
      RunInTarget(state, context, {"exec /bin/sh -e", script, {}, {}, place.variables, {}, place.root}));
  AddUse(outcome.result, result);
  if (outcome.result.ok()) return result;
  result.failure = absl::StrCat("overlay_attributes of ", overlay, " cannot be set (", outcome.Ending(),
                                "): ", outcome.tail.LastLines(1));
  result.exit_code = outcome.result.exit_code;
  result.signal = outcome.result.signal;
  return result;
}

}  // namespace rootwright
