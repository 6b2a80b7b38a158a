#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/step.h"

namespace rootwright {

// Where the user's commands run when that is not the tree.
struct CommandPlace {
  // Inside the environment; empty: the tree.
  std::string root = {};
  std::map<std::string, std::string> variables = {};
};

// Runs the user's commands in the target, each by `sh -ec`, until one fails. The failure
// names the command's line, how it ended and its last line of output.
absl::StatusOr<StepResult> RunUserCommands(RootfsState& state, StepContext& context,
                                           const std::vector<SpecCommand>& commands,
                                           const CommandPlace& place = {});

// Sets owner and mode of what an overlay laid into the target, as the specification asks. The
// failure has the last words of chown or chmod.
absl::StatusOr<StepResult> SetOverlayAttributes(RootfsState& state, StepContext& context, const char* overlay,
                                                const CommandPlace& place = {});

}  // namespace rootwright
