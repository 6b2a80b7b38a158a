#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace rootwright {

// What the calling thread uses on the host while the object lives: its own CPU time, and CPU time and memory
// of the subprocesses that it waits for (RunSubprocess). Objects of one thread nest; each is made, asked and
// ended by the same thread.
class HostUse {
 public:
  HostUse();
  ~HostUse();
  HostUse(const HostUse&) = delete;
  HostUse& operator=(const HostUse&) = delete;

  absl::Duration cpu() const;
  // Of the largest subprocess, or what this process itself has now when that is more.
  int64_t peak_memory_bytes() const;

  // Tells all objects of the calling thread of a subprocess that ended.
  static void AddSubprocess(absl::Duration cpu, int64_t peak_memory_bytes);

 private:
  HostUse* const outer_;
  const absl::Duration thread_cpu_at_start_;
  absl::Duration subprocess_cpu_;
  int64_t peak_memory_bytes_ = 0;
};

}  // namespace rootwright
