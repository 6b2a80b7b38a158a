#include "executors/rootfs/target_command.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "executors/rootfs/rootfs_state.h"

namespace rootwright {
namespace {

constexpr size_t kTailBytes = 4096;

// A tree that nothing was mounted in still has to look like a system.
constexpr char kMountWhatIsMissing[] = R"([ -e /proc/self/stat ] || mount -t proc proc /proc
[ -d /sys/kernel ] || mount -t sysfs sysfs /sys || :
[ -c /dev/null ] || mount -t devtmpfs dev /dev
)";

}  // namespace

void OutputTail::Append(absl::string_view data) {
  kept_.append(data.data(), data.size());
  if (kept_.size() > 4 * kTailBytes) kept_.erase(0, kept_.size() - kTailBytes);
}

std::string OutputTail::LastLines(int count) const {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(kept_, '\n')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(line);
    if (!stripped.empty()) lines.emplace_back(stripped);
  }
  const size_t kept = std::min(lines.size(), static_cast<size_t>(count));
  return absl::StrJoin(lines.end() - static_cast<std::ptrdiff_t>(kept), lines.end(), " | ");
}

std::string TargetOutcome::Ending() const {
  return result.signal != 0 ? absl::StrCat("signal ", result.signal)
                            : absl::StrCat("exit ", result.exit_code);
}

std::map<std::string, std::string> TargetVariables() {
  return {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
          {"HOME", "/root"},
          {"LC_ALL", "C.UTF-8"},
          {"TERM", "dumb"},
          {"DEBIAN_FRONTEND", "noninteractive"},
          {"DEBCONF_NONINTERACTIVE_SEEN", "true"}};
}

absl::StatusOr<TargetOutcome> RunInTarget(RootfsState& state, StepContext& context,
                                          const TargetScript& script) {
  EnvironmentCommand command;
  command.argv = {"/bin/sh", "-ec", script.script, "sh"};
  command.argv.insert(command.argv.end(), script.arguments.begin(), script.arguments.end());
  command.variables = TargetVariables();
  for (const auto& [name, value] : script.variables) command.variables[name] = value;
  command.root = script.root.empty() ? state.root : script.root;
  command.input = script.input;
  TargetOutcome outcome;
  const OutputSink sink = [&](OutputStream stream, absl::string_view data) {
    if (stream == OutputStream::kStdout && script.take_stdout) return script.take_stdout(data);
    context.reporter.Log(stream, data);
    outcome.tail.Append(data);
    if (stream == OutputStream::kStderr && script.see_stderr) script.see_stderr(data);
  };
  RW_ASSIGN_OR_RETURN(outcome.result,
                      state.preparation.environment->Run(command, sink, context.deadline, context.stop));
  return outcome;
}

absl::Status MountWhatIsMissing(RootfsState& state, StepContext& context) {
  RW_ASSIGN_OR_RETURN(const TargetOutcome mounted,
                      RunInTarget(state, context, {kMountWhatIsMissing, "", {}, {}, {}}));
  if (mounted.result.ok()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("make /proc and /dev in the target: ", mounted.Ending(), ": ", mounted.tail.LastLines(2)));
}

void AddUse(const CommandResult& result, StepResult& step) {
  step.cpu += result.cpu;
  step.peak_memory_bytes = std::max(step.peak_memory_bytes, result.peak_memory_bytes);
}

}  // namespace rootwright
