#include "agent/build/drain.h"

namespace rootwright {

void Drain::Start(By by, std::string reason) {
  {
    MutexLock lock(mutex_);
    (by == By::kOperator ? by_operator_ : by == By::kMaster ? by_master_ : by_shutdown_) = std::move(reason);
  }
  doorbell_.Ring();
}

void Drain::Undo(By by) {
  {
    MutexLock lock(mutex_);
    (by == By::kOperator ? by_operator_ : by == By::kMaster ? by_master_ : by_shutdown_).reset();
  }
  doorbell_.Ring();
}

std::optional<std::string> Drain::reason() const {
  if (auto own = own_reason()) return own;
  MutexLock lock(mutex_);
  return by_master_;
}

std::optional<std::string> Drain::own_reason() const {
  MutexLock lock(mutex_);
  return by_shutdown_ ? by_shutdown_ : by_operator_;
}

}  // namespace rootwright
