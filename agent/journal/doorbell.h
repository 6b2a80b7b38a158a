#pragma once

#include <cstdint>
#include <stop_token>

#include "base/clock.h"
#include "base/mutex.h"

namespace rootwright {

// Rings when something may have happened: a journal grew, a message came. Whoever waits looks for itself; a
// ring between looking and waiting is not lost, because Wait names the last ring that was seen.
class Doorbell {
 public:
  // From any thread.
  void Ring();
  uint64_t rings() const;
  // Returns the number of rings once it is more than `seen`, the deadline has passed, or a stop is asked for.
  uint64_t Wait(uint64_t seen, Deadline deadline, std::stop_token stop);

 private:
  mutable Mutex mutex_;
  CondVar rung_;
  uint64_t rings_ RW_GUARDED_BY(mutex_) = 0;
};

}  // namespace rootwright
