#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "executors/guest/frame.h"
#include "executors/guest/guest_channel.h"
#include "executors/guest/protocol.h"

namespace rootwright {

// Long enough for a machine under any load: what passes it hangs.
inline Deadline Soon() { return Deadline::In(absl::Seconds(60)); }

// The real rootwright-guest of this host, listening in a folder of its own; ended with the object.
class GuestProcess {
 public:
  GuestProcess();
  ~GuestProcess();

  const std::filesystem::path& folder() const { return folder_.path(); }
  std::filesystem::path socket() const { return folder() / "guest.sock"; }
  pid_t pid() const { return pid_; }
  std::unique_ptr<GuestChannel> Connect() const;
  // A connected socket, nothing said yet.
  UniqueFd ConnectRaw() const;
  // Waits for its end: the exit code, or minus the signal.
  int Wait();
  // The most memory that it ever had resident.
  int64_t PeakMemoryBytes() const;

 private:
  ScopedFolder folder_;
  pid_t pid_ = 0;
};

// One end of a conversation held by hand, message by message.
class RawPeer {
 public:
  explicit RawPeer(UniqueFd fd);
  int fd() const { return fd_.get(); }
  void Hang() { fd_.reset(); }

  void SendBytes(std::string_view bytes);
  template <typename Message>
  void Send(const Message& message) {
    std::string frame;
    guest::AppendMessage(frame, message);
    SendBytes(frame);
  }
  // The next frame, with its payload copied; absent when the peer hung up, broke the
  // protocol, or was silent for a minute.
  struct Received {
    guest::MessageType type;
    std::string payload;
  };
  std::optional<Received> Receive();
  // The next message, which must be of that type.
  template <typename Message>
  std::optional<Message> Expect() {
    last_ = Receive();
    Message message;
    if (!last_ || last_->type != Message::kType || !guest::Decode(last_->payload, message))
      return std::nullopt;
    return message;
  }
  // As a host.
  bool Greet(uint64_t nonce);
  // As a guest.
  bool AnswerGreeting(uint32_t version = guest::kProtocolVersion);
  void Hunt() { parser_.Hunt(); }

 private:
  UniqueFd fd_;
  guest::FrameParser parser_;
  std::optional<Received> last_;
};

// True once no such process is left.
bool IsGone(pid_t pid);
bool WaitUntilGone(pid_t pid);

}  // namespace rootwright
