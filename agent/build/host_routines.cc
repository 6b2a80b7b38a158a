#include "agent/build/host_routines.h"

namespace rootwright {

absl::StatusOr<std::unique_ptr<Routine>> HostRoutines::Make(const PlannedBuild& build) {
  Executor& executor = build.isolation == Isolation::kContainer ? containers_ : machines_;
  if (const auto* rootfs = std::get_if<RootfsRequest>(&build.routine)) {
    return MakeRootfsRoutine(*rootfs, rootfs_, executor);
  }
  return MakeCommandRoutine(std::get<CommandRequest>(build.routine), executor);
}

}  // namespace rootwright
