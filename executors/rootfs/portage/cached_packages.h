#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executors/rootfs/portage/emerge_plan.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/step.h"

namespace rootwright {

// How a build uses the host's cache of binary packages (BinaryPackageCache). All of them do nothing where it
// uses none. A cache that fails is told as a warning, and the build goes on without: only an environment that
// cannot be reached is an error, and what stops the build.

// Gives Portage the index of what there is, before it is asked for a plan.
absl::Status OfferPackages(RootfsState& state, StepContext& context);
// Checks what the plan takes. False: something of it was not whole and is gone; the index was given anew, and
// Portage has to be asked again.
absl::StatusOr<bool> ConfirmPackages(RootfsState& state, StepContext& context, const EmergePlan& plan);
// Shows the environment the packages that the plan takes. Once, before they are merged.
absl::Status ShowPackages(RootfsState& state, StepContext& context);
// Takes what was built out of the environment into the cache.
absl::Status KeepPackages(RootfsState& state, StepContext& context);

}  // namespace rootwright
