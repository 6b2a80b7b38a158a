#pragma once

#include "absl/status/statusor.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/step.h"

namespace rootwright {

// Asks Portage what it would merge, tells it as an event and in plan.json, and shows the environment the
// source files that are needed. What stands against it is the user's failure, one message for each; so is a
// source file that nobody has or that is another. Changes that Portage proposes are made when the
// specification allows them.
absl::StatusOr<StepResult> PlanPackages(RootfsState& state, StepContext& context);

}  // namespace rootwright
