#include "base/wait.h"

#include <sys/eventfd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace rootwright {

StopFd::StopFd(std::stop_token stop)
    : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), callback_(std::move(stop), [fd = fd_.get()] {
        const uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof one);
      }) {}

absl::StatusOr<short> WaitFor(int fd, short events, Deadline deadline, const StopFd& stop,
                              absl::string_view what) {
  for (;;) {
    pollfd fds[2] = {{fd, events, 0}, {stop.fd(), POLLIN, 0}};
    const int ready = poll(fds, 2, deadline.LeftMillis());
    if (ready < 0 && errno != EINTR) return ErrnoStatus(errno, what, "poll");
    if (fds[1].revents != 0) return absl::CancelledError(absl::StrCat(what, ": stopped"));
    if (ready > 0 && fds[0].revents != 0) return fds[0].revents;
    if (deadline.Passed()) return absl::DeadlineExceededError(absl::StrCat(what, ": no answer in time"));
  }
}

absl::Status SleepFor(absl::Duration duration, std::stop_token stop) {
  const StopFd stop_fd(std::move(stop));
  const absl::Status status = WaitFor(-1, 0, Deadline::In(duration), stop_fd, "sleep").status();
  return absl::IsDeadlineExceeded(status) ? absl::OkStatus() : status;
}

}  // namespace rootwright
