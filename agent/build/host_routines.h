#pragma once

#include "agent/build/planned_build.h"
#include "executors/executor.h"
#include "executors/rootfs/routine/rootfs_routine.h"

namespace rootwright {

// The routines that this host really has, in its machines and containers, which outlive it.
class HostRoutines : public RoutineFactory {
 public:
  HostRoutines(RootfsHost rootfs, Executor& machines, Executor& containers)
      : rootfs_(std::move(rootfs)), machines_(machines), containers_(containers) {}

  absl::StatusOr<std::unique_ptr<Routine>> Make(const PlannedBuild& build) override;

 private:
  const RootfsHost rootfs_;
  Executor& machines_;
  Executor& containers_;
};

}  // namespace rootwright
