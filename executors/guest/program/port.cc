#include "executors/guest/program/port.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "executors/guest/program/console.h"

namespace rootwright::guest {

bool Port::OpenVirtio(const std::string& device) {
  kind_ = Kind::kVirtio;
  fd_ = open(device.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd_ < 0) {
    Say("open the port: %s: %s", device.c_str(), std::strerror(errno));
    return false;
  }
  // SIGIO comes when a host opens or closes its end: a poll alone would return at once for
  // as long as nobody is there.
  fcntl(fd_, F_SETOWN, getpid());
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_ASYNC);
  return true;
}

bool Port::Listen(const std::string& path) {
  kind_ = Kind::kListening;
  path_ = path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    Say("listen: %s: the path is longer than %zu bytes", path.c_str(), sizeof address.sun_path - 1);
    return false;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  unlink(path.c_str());
  listening_fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listening_fd_ < 0 || bind(listening_fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(listening_fd_, 4) != 0) {
    Say("listen: %s: %s", path.c_str(), std::strerror(errno));
    return false;
  }
  return true;
}

void Port::Adopt(int fd) {
  kind_ = Kind::kInherited;
  fd_ = fd;
  fcntl(fd_, F_SETFD, FD_CLOEXEC);
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

Port::~Port() {
  if (fd_ >= 0) close(fd_);
  if (listening_fd_ >= 0) {
    close(listening_fd_);
    unlink(path_.c_str());
  }
}

void Port::AddPolls(std::vector<pollfd>& polls, bool read, bool write) const {
  if (connected()) polls.push_back({fd_, static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0});
  if (listening_fd_ >= 0) polls.push_back({listening_fd_, POLLIN, 0});
}

Port::Event Port::Lose() {
  if (kind_ == Kind::kVirtio) {
    absent_ = true;
    return Event::kGone;
  }
  close(fd_);
  fd_ = -1;
  return kind_ == Kind::kListening ? Event::kGone : Event::kFinished;
}

Port::Event Port::OnReady(const pollfd& ready) {
  if (ready.fd == listening_fd_) {
    const int accepted = accept4(listening_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return Event::kNone;
    if (fd_ >= 0) close(fd_);
    fd_ = accepted;
    return Event::kGone;
  }
  if (ready.fd != fd_) return Event::kNone;
  if ((ready.revents & POLLIN) != 0) return Event::kReadable;
  if ((ready.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return Lose();
  return Event::kNone;
}

void Port::LookAgain() {
  if (!absent_) return;
  pollfd state = {fd_, POLLIN, 0};
  poll(&state, 1, 0);
  absent_ = (state.revents & POLLHUP) != 0;
}

int Port::WaitMillis() const { return absent_ ? 100 : -1; }

size_t Port::Read(void* into, size_t size, Event& event) {
  event = Event::kNone;
  const ssize_t got = read(fd_, into, size);
  if (got > 0) return static_cast<size_t>(got);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  event = Lose();
  return 0;
}

size_t Port::Write(const void* from, size_t size) {
  // A socket's end is read from it; here it only must not raise SIGPIPE, which is ignored.
  const ssize_t put = write(fd_, from, size);
  return put > 0 ? static_cast<size_t>(put) : 0;
}

}  // namespace rootwright::guest
