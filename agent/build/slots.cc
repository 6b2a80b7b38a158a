#include "agent/build/slots.h"

#include "absl/strings/str_cat.h"
#include "base/size_text.h"
#include "base/status.h"

namespace rootwright {

absl::StatusOr<Slots::Slot> Slots::Take(const BuildLimits& limits) {
  RW_ASSIGN_OR_RETURN(const int64_t disk, capacity_.free_disk());
  if (disk < limits.disk_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("disk: ", SizeText(disk), " free in the work folder, ",
                                                     SizeText(limits.disk_bytes), " asked"));
  }
  MutexLock lock(mutex_);
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
  return Slot(*this, limits.memory_bytes);
}

int Slots::free() const {
  MutexLock lock(mutex_);
  return capacity_.builds - taken_;
}

int64_t Slots::free_memory() const {
  MutexLock lock(mutex_);
  return capacity_.memory_bytes - memory_taken_;
}

void Slots::GiveBack(int64_t memory) {
  MutexLock lock(mutex_);
  --taken_;
  memory_taken_ -= memory;
}

}  // namespace rootwright
