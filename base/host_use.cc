#include "base/host_use.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>

namespace rootwright {
namespace {

// The innermost of the thread.
thread_local HostUse* innermost = nullptr;

absl::Duration ThreadCpu() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

}  // namespace

HostUse::HostUse() : outer_(innermost), thread_cpu_at_start_(ThreadCpu()) { innermost = this; }

HostUse::~HostUse() { innermost = outer_; }

absl::Duration HostUse::cpu() const { return ThreadCpu() - thread_cpu_at_start_ + subprocess_cpu_; }

int64_t HostUse::peak_memory_bytes() const {
  // proc(5): pages of the whole program, then those in memory.
  long long total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return std::max<int64_t>(peak_memory_bytes_, resident * sysconf(_SC_PAGESIZE));
}

void HostUse::AddSubprocess(absl::Duration cpu, int64_t peak_memory_bytes) {
  for (HostUse* use = innermost; use != nullptr; use = use->outer_) {
    use->subprocess_cpu_ += cpu;
    use->peak_memory_bytes_ = std::max(use->peak_memory_bytes_, peak_memory_bytes);
  }
}

}  // namespace rootwright
