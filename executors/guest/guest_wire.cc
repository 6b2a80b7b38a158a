#include "executors/guest/guest_wire.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <random>

#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

// A guest that was in the middle of something else when the first greeting came hears a later one.
constexpr absl::Duration kGreetingInterval = absl::Seconds(3);
constexpr size_t kKeptBuffer = 1 << 20;

uint64_t MakeNonce() {
  std::random_device random;
  return static_cast<uint64_t>(random()) << 32 | random();
}

}  // namespace

GuestWire::GuestWire(UniqueFd socket)
    : socket_(std::move(socket)),
      parser_(static_cast<uint16_t>(guest::MessageType::kHello), guest::Hello::kSize) {
  fcntl(socket_.get(), F_SETFL, fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

absl::Status GuestWire::Check() const {
  if (closed_) return absl::UnavailableError("guest channel: closed");
  return broken_;
}

absl::Status GuestWire::Fail(absl::Status why) {
  if (broken_.ok()) broken_ = std::move(why);
  shutdown(socket_.get(), SHUT_RDWR);
  return Check();
}

absl::Status GuestWire::Violation(absl::string_view what) {
  return Fail(absl::DataLossError(absl::StrCat("guest channel: guest broke the protocol: ", what)));
}

void GuestWire::Close() {
  closed_ = true;
  shutdown(socket_.get(), SHUT_RDWR);
}

absl::Status GuestWire::Flush() {
  while (unsent() > 0) {
    const ssize_t put = send(socket_.get(), out_.data() + sent_, unsent(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (put < 0) return Fail(ErrnoStatus(errno, "guest channel", "send"));
    sent_ += static_cast<size_t>(put);
  }
  if (unsent() == 0) {
    out_.clear();
    sent_ = 0;
  } else if (sent_ > kKeptBuffer) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
  return absl::OkStatus();
}

absl::Status GuestWire::Receive() {
  size_t space = 0;
  uint8_t* const into = parser_.Space(space);
  const ssize_t got = recv(socket_.get(), into, space, 0);
  if (got > 0) {
    parser_.Commit(static_cast<size_t>(got));
    return absl::OkStatus();
  }
  if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return absl::OkStatus();
  if (got < 0) return Fail(ErrnoStatus(errno, "guest channel", "receive"));
  return Fail(absl::UnavailableError("guest channel: the guest's end was closed"));
}

absl::StatusOr<std::optional<guest::Frame>> GuestWire::Next(Deadline deadline, const StopFd& stop,
                                                            size_t refill) {
  for (;;) {
    RW_RETURN_IF_ERROR(Check());
    const bool was_full = unsent() > 0 && unsent() >= refill;
    RW_RETURN_IF_ERROR(Flush());
    guest::Frame frame;
    const guest::FrameParser::Result result = parser_.Next(frame);
    if (result == guest::FrameParser::Result::kFrame) return frame;
    if (result == guest::FrameParser::Result::kBroken) return Violation("bytes that are no message");
    if (refill > 0 && was_full && unsent() < refill) return std::nullopt;
    const short events = static_cast<short>(POLLIN | (unsent() > 0 ? POLLOUT : 0));
    RW_ASSIGN_OR_RETURN(const short ready,
                        WaitFor(socket_.get(), events, deadline, stop, "wait for the guest"));
    if ((ready & ~POLLOUT) != 0) RW_RETURN_IF_ERROR(Receive());
    // A guest that never stops sending must not keep us past the deadline.
    if (deadline.Passed()) return absl::DeadlineExceededError("wait for the guest: not done in time");
  }
}

absl::Status GuestWire::Greet(Deadline deadline, const StopFd& stop) {
  guest::Hello hello;
  hello.nonce = MakeNonce();
  RW_RETURN_IF_ERROR(Send(hello));
  for (Deadline again = Deadline::In(kGreetingInterval);;) {
    const auto frame = Next(Earlier(deadline, again), stop);
    if (absl::IsDeadlineExceeded(frame.status()) && !deadline.Passed()) {
      // One that still waits in the socket is as good as another.
      if (unsent() == 0) RW_RETURN_IF_ERROR(Send(hello));
      again = Deadline::In(kGreetingInterval);
      continue;
    }
    if (absl::IsDeadlineExceeded(frame.status())) {
      return absl::DeadlineExceededError("guest channel: the guest has not said hello in time");
    }
    RW_RETURN_IF_ERROR(frame.status());
    guest::Hello answer;
    if (!frame->has_value() || !guest::Decode((*frame)->payload, answer) || answer.nonce != hello.nonce) {
      parser_.HuntOn();
      continue;
    }
    if (answer.version == guest::kProtocolVersion) return absl::OkStatus();
    return Fail(absl::FailedPreconditionError(
        absl::StrCat("guest channel: the guest speaks protocol version ", answer.version, ", this program ",
                     guest::kProtocolVersion, ": make the machine image again")));
  }
}

}  // namespace rootwright
