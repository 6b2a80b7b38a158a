#pragma once

#include "absl/status/statusor.h"
#include "agent/journal/paths.h"
#include "base/unique_fd.h"

namespace rootwright {

// Takes the state folder for this process, for as long as the descriptor lives. FailedPrecondition when
// another one uses it.
absl::StatusOr<UniqueFd> LockState(const StatePaths& paths);

}  // namespace rootwright
