#include "agent/build/slots.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/size_text.h"
#include "base/status.h"

namespace rootwright {

absl::StatusOr<Slots::Slot> Slots::Take(const BuildLimits& limits) {
  RW_ASSIGN_OR_RETURN(const int64_t disk, capacity_.free_disk());
  MutexLock lock(mutex_);
  if (disk - disk_taken_ < limits.disk_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "disk: ", SizeText(disk), " free in the work folder, ",
        disk_taken_ > 0 ? absl::StrCat(SizeText(disk_taken_), " of it promised to running builds, ") : "",
        SizeText(limits.disk_bytes), " asked"));
  }
  if (taken_ >= capacity_.builds) {
    return absl::ResourceExhaustedError(absl::StrCat("slots: all ", capacity_.builds, " taken"));
  }
  if (memory_taken_ + limits.memory_bytes > capacity_.memory_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("memory: ", SizeText(capacity_.memory_bytes - memory_taken_), " of ",
                     SizeText(capacity_.memory_bytes), " free, ", SizeText(limits.memory_bytes), " asked"));
  }
  ++taken_;
  memory_taken_ += limits.memory_bytes;
  disk_taken_ += limits.disk_bytes;
  return Slot(*this, limits.memory_bytes, limits.disk_bytes);
}

int Slots::free() const {
  MutexLock lock(mutex_);
  return capacity_.builds - taken_;
}

int64_t Slots::free_memory() const {
  MutexLock lock(mutex_);
  return capacity_.memory_bytes - memory_taken_;
}

absl::StatusOr<int64_t> Slots::free_disk() const {
  RW_ASSIGN_OR_RETURN(const int64_t disk, capacity_.free_disk());
  MutexLock lock(mutex_);
  return std::max<int64_t>(disk - disk_taken_, 0);
}

void Slots::GiveBack(int64_t memory, int64_t disk) {
  MutexLock lock(mutex_);
  --taken_;
  memory_taken_ -= memory;
  disk_taken_ -= disk;
}

}  // namespace rootwright
