#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "executors/rootfs/apt/debian_root.h"
#include "executors/rootfs/routine/rootfs_routine.h"

namespace rootwright {

// MakeRootfsRoutine with another source of Debian trees; for tests.
absl::StatusOr<std::unique_ptr<Routine>> MakeRootfsRoutineWith(const RootfsRequest& request,
                                                               const RootfsHost& host, Executor& executor,
                                                               std::unique_ptr<DebianRoot> debian);

}  // namespace rootwright
