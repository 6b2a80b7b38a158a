#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <utility>

#include "absl/status/statusor.h"
#include "agent/build/limits.h"
#include "base/mutex.h"

namespace rootwright {

// What the host can carry: builds at one time, and memory and disk for them. A lease is refused here, with
// figures, before anything is made for it. Calls may come from any thread.
class Slots {
 public:
  struct Capacity {
    int builds = 1;
    // For all environments together.
    int64_t memory_bytes = 0;
    // Free space of the work folder now.
    std::function<absl::StatusOr<int64_t>()> free_disk;
  };

  // Held by a running build; gives the room back when it goes. Must not outlive the Slots.
  class Slot {
   public:
    Slot(Slots& slots, int64_t memory, int64_t disk) : slots_(&slots), memory_(memory), disk_(disk) {}
    Slot(Slot&& other) noexcept
        : slots_(std::exchange(other.slots_, nullptr)), memory_(other.memory_), disk_(other.disk_) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (slots_ != nullptr) slots_->GiveBack(memory_, disk_);
    }

   private:
    Slots* slots_;
    int64_t memory_;
    int64_t disk_;
  };

  explicit Slots(Capacity capacity) : capacity_(std::move(capacity)) {}

  // ResourceExhausted says what is short.
  absl::StatusOr<Slot> Take(const BuildLimits& limits);
  int free() const;
  int64_t free_memory() const;
  // What nothing is on and no running build may still put something on. What these have written already
  // counts twice: less is promised rather than more.
  absl::StatusOr<int64_t> free_disk() const;

 private:
  void GiveBack(int64_t memory, int64_t disk);

  const Capacity capacity_;
  mutable Mutex mutex_;
  int taken_ RW_GUARDED_BY(mutex_) = 0;
  int64_t memory_taken_ RW_GUARDED_BY(mutex_) = 0;
  int64_t disk_taken_ RW_GUARDED_BY(mutex_) = 0;
};

}  // namespace rootwright
