#include "base/host_use.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/subprocess.h"

namespace rootwright {
namespace {

// Has 64 MiB of its own and works for a moment.
void RunLargeSubprocess() {
  const SubprocessSpec spec{
      .argv = {"python3", "-c", "x = b'1' * (64 << 20); sum(range(300000)); print(len(x))"}};
  const auto result = RunSubprocess(spec, Deadline::In(absl::Seconds(60)), {});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_TRUE(result->ok()) << result->error_output;
}

TEST(HostUse, CountsTheThreadsSubprocesses) {
  const HostUse use;
  RunLargeSubprocess();
  EXPECT_GT(use.cpu(), absl::Milliseconds(5));
  EXPECT_GE(use.peak_memory_bytes(), int64_t{64} << 20);
}

TEST(HostUse, NestedOnesBothCount) {
  const HostUse outer;
  absl::Duration inside;
  {
    const HostUse inner;
    RunLargeSubprocess();
    inside = inner.cpu();
    EXPECT_GE(inner.peak_memory_bytes(), int64_t{64} << 20);
  }
  EXPECT_GE(outer.cpu(), inside);
  EXPECT_GE(outer.peak_memory_bytes(), int64_t{64} << 20);
  const HostUse later;
  EXPECT_LT(later.cpu(), inside);
}

TEST(HostUse, OtherThreadsDoNotCount) {
  const HostUse use;
  absl::Duration there;
  std::thread([&there] {
    const HostUse other;
    RunLargeSubprocess();
    there = other.cpu();
  }).join();
  EXPECT_LT(use.cpu(), there);
}

}  // namespace
}  // namespace rootwright
