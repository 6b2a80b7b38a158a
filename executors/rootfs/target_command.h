#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "executors/environment.h"
#include "executors/step.h"

namespace rootwright {

struct RootfsState;

// The last lines of an output, for the message of a failure.
class OutputTail {
 public:
  void Append(absl::string_view data);
  void Clear() { kept_.clear(); }
  // At most `count` of the last lines that are not empty, joined by " | ".
  std::string LastLines(int count) const;

 private:
  std::string kept_;
};

// How a command in the target ended.
struct TargetOutcome {
  CommandResult result;
  OutputTail tail;

  // "exit 3" or "signal 9".
  std::string Ending() const;
};

// The environment of everything that runs in the target, as Debian's installers have it: no
// questions, one locale, no display.
std::map<std::string, std::string> TargetVariables();

// Runs `sh -ec script` in the target; both streams go to the log. With `take_stdout` the
// first stream goes there instead.
struct TargetScript {
  std::string script;
  // Read by the script from standard input.
  std::string input;
  std::function<void(absl::string_view)> take_stdout;
  // Called with standard error, besides the log.
  std::function<void(absl::string_view)> see_stderr;
  // Added to TargetVariables, or in place of them.
  std::map<std::string, std::string> variables;
  // $1 and on.
  std::vector<std::string> arguments = {};
  // Inside the environment; empty: the tree (RootfsState::root).
  std::string root = {};
};
absl::StatusOr<TargetOutcome> RunInTarget(RootfsState& state, StepContext& context,
                                          const TargetScript& script);

// Gives the tree /proc, /sys and /dev where nothing mounted them: it has to look like a system.
absl::Status MountWhatIsMissing(RootfsState& state, StepContext& context);

// Adds what a command used to what its step used.
void AddUse(const CommandResult& result, StepResult& step);

}  // namespace rootwright
