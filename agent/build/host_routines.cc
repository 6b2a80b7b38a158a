#include "agent/build/host_routines.h"

namespace rootwright {

absl::StatusOr<std::unique_ptr<Routine>> HostRoutines::Make(const PlannedBuild& build) {
  if (const auto* rootfs = std::get_if<RootfsRequest>(&build.routine)) {
    return MakeRootfsRoutine(*rootfs, rootfs_, executor_);
  }
  return MakeCommandRoutine(std::get<CommandRequest>(build.routine), executor_);
}

}  // namespace rootwright
