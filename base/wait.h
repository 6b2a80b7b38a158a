#pragma once

#include <poll.h>

#include <functional>
#include <stop_token>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace rootwright {

// A stop_token that poll(2) can see: its descriptor becomes readable once a stop is asked for.
class StopFd {
 public:
  explicit StopFd(std::stop_token stop);
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::stop_callback<std::function<void()>> callback_;
};

// Waits until one of `events` (POLLIN, POLLOUT) is on `fd` and returns what is there.
// Cancelled when stopped, DeadlineExceeded when late; `what` starts the message.
absl::StatusOr<short> WaitFor(int fd, short events, Deadline deadline, const StopFd& stop,
                              absl::string_view what);

// Sleeps, unless stopped first: Cancelled then.
absl::Status SleepFor(absl::Duration duration, std::stop_token stop);

}  // namespace rootwright
