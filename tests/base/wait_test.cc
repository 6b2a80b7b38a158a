#include "base/wait.h"

#include <gtest/gtest.h>

#include <thread>

namespace rootwright {
namespace {

TEST(WaitFor, SeesWhatIsReady) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const UniqueFd read_end(fds[0]), write_end(fds[1]);
  ASSERT_EQ(write(write_end.get(), "x", 1), 1);
  const StopFd stop({});
  const absl::StatusOr<short> ready = WaitFor(read_end.get(), POLLIN, Deadline::Never(), stop, "read");
  ASSERT_TRUE(ready.ok());
  EXPECT_NE(*ready & POLLIN, 0);
}

TEST(WaitFor, StopFromAnotherThreadEndsIt) {
  std::stop_source source;
  const StopFd stop(source.get_token());
  std::jthread stopper([&source] { source.request_stop(); });
  EXPECT_EQ(WaitFor(-1, 0, Deadline::Never(), stop, "nothing").status().code(), absl::StatusCode::kCancelled);
}

TEST(WaitFor, IsLateAtTheDeadline) {
  const StopFd stop({});
  const absl::Status status = WaitFor(-1, 0, Deadline::In(absl::Milliseconds(5)), stop, "guest").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(), "guest: no answer in time");
}

TEST(SleepFor, IsCutShortByAStop) {
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(SleepFor(absl::Hours(1), source.get_token()).code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(SleepFor(absl::Milliseconds(1), {}).ok());
}

}  // namespace
}  // namespace rootwright
