#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/step.h"

namespace rootwright {

// Runs the user's commands in the target, each by `sh -ec`, until one fails. The failure
// names the command's line, how it ended and its last line of output.
absl::StatusOr<StepResult> RunUserCommands(RootfsState& state, StepContext& context,
                                           const std::vector<SpecCommand>& commands);

}  // namespace rootwright
