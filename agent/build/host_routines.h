#pragma once

#include "agent/build/planned_build.h"
#include "executors/executor.h"
#include "executors/rootfs/rootfs_routine.h"

namespace rootwright {

// The routines that this host really has, in machines of `executor`, which outlives it.
class HostRoutines : public RoutineFactory {
 public:
  HostRoutines(RootfsHost rootfs, Executor& executor) : rootfs_(std::move(rootfs)), executor_(executor) {}

  absl::StatusOr<std::unique_ptr<Routine>> Make(const PlannedBuild& build) override;

 private:
  const RootfsHost rootfs_;
  Executor& executor_;
};

}  // namespace rootwright
