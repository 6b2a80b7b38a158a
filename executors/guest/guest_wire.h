#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "executors/guest/frame.h"
#include "executors/guest/protocol.h"

namespace rootwright {

// Moves frames between GuestChannel and the socket, both ways in one wait, so that neither
// end can block the other. Its first lasting error is final: everything returns it from then on.
//
// Used by one thread; Close may come from any.
class GuestWire {
 public:
  explicit GuestWire(UniqueFd socket);

  // Says hello until the guest answers; drops what an earlier conversation left.
  absl::Status Greet(Deadline deadline, const StopFd& stop);

  // Queues a message. InvalidArgument when it is larger than a frame may be.
  template <typename Message>
  absl::Status Send(const Message& message) {
    RW_RETURN_IF_ERROR(Check());
    if (guest::AppendMessage(out_, message)) return absl::OkStatus();
    return absl::InvalidArgumentError("message to the guest: larger than 256 KiB");
  }
  // A message made by guest::AppendMessage.
  absl::Status SendFrame(const std::string& frame) {
    RW_RETURN_IF_ERROR(Check());
    out_ += frame;
    return absl::OkStatus();
  }
  size_t unsent() const { return out_.size() - sent_; }

  // Sends what is queued and waits for the next frame, which is good until the next call.
  // Absent: less than `refill` is unsent now, and it was more.
  absl::StatusOr<std::optional<guest::Frame>> Next(Deadline deadline, const StopFd& stop, size_t refill = 0);

  // Ends the connection because of what the guest sent: "guest channel: guest broke the
  // protocol: what". Returns the error that stays.
  absl::Status Violation(absl::string_view what);
  // Ends it for another reason.
  absl::Status Fail(absl::Status why);
  void Close();

 private:
  absl::Status Check() const;
  absl::Status Flush();
  absl::Status Receive();

  const UniqueFd socket_;
  std::atomic<bool> closed_ = false;
  absl::Status broken_;
  guest::FrameParser parser_;
  std::string out_;
  size_t sent_ = 0;
};

}  // namespace rootwright
