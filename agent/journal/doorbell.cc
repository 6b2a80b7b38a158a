#include "agent/journal/doorbell.h"

namespace rootwright {

void Doorbell::Ring() {
  {
    MutexLock lock(mutex_);
    ++rings_;
  }
  rung_.notify_all();
}

uint64_t Doorbell::rings() const {
  MutexLock lock(mutex_);
  return rings_;
}

uint64_t Doorbell::Wait(uint64_t seen, Deadline deadline, std::stop_token stop) {
  MutexLock lock(mutex_);
  const auto rung = [&]() RW_REQUIRES(mutex_) { return rings_ > seen; };
  if (deadline.instant() == Instant::max()) {
    rung_.wait(mutex_, stop, rung);
  } else {
    rung_.wait_until(mutex_, stop, deadline.instant(), rung);
  }
  return rings_;
}

}  // namespace rootwright
