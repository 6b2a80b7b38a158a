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

// Sets owner and mode of what an overlay laid into the target, as the specification asks. The
// failure has the last words of chown or chmod.
absl::StatusOr<StepResult> SetOverlayAttributes(RootfsState& state, StepContext& context,
                                                const char* overlay);

}  // namespace rootwright
