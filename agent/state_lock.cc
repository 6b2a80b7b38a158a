#include "agent/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {

absl::StatusOr<UniqueFd> LockState(const StatePaths& paths) {
  RW_RETURN_IF_ERROR(MakeFolders(paths.state()));
  UniqueFd lock(open(paths.lock().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return ErrnoStatus(errno, "open", paths.lock().string());
  if (flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  return absl::FailedPreconditionError(absl::StrCat("start: ", paths.state().string(),
                                                    ": another agent uses this state folder; give --state"));
}

}  // namespace rootwright
