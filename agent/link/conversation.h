#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/journal/doorbell.h"
#include "base/mutex.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// Where messages of the master wait for the session's thread. Filled by the wire's reader.
class Inbox {
 public:
  explicit Inbox(Doorbell& doorbell) : doorbell_(doorbell) {}

  void Put(v1::AttachResponse message) {
    {
      MutexLock lock(mutex_);
      messages_.push_back(std::move(message));
    }
    doorbell_.Ring();
  }
  // The wire is at its end; only the first status counts.
  void Close(absl::Status status) {
    {
      MutexLock lock(mutex_);
      if (!end_) end_ = std::move(status);
    }
    doorbell_.Ring();
  }
  std::optional<v1::AttachResponse> Take() {
    MutexLock lock(mutex_);
    if (messages_.empty()) return std::nullopt;
    v1::AttachResponse message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }
  // Set once the wire has ended and every message is taken.
  std::optional<absl::Status> end() const {
    MutexLock lock(mutex_);
    return messages_.empty() ? end_ : std::nullopt;
  }

 private:
  Doorbell& doorbell_;
  mutable Mutex mutex_;
  std::deque<v1::AttachResponse> messages_ RW_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ RW_GUARDED_BY(mutex_);
};

// One connection's stream to the master: real, or a test's. Used from the session's thread; its destructor
// ends it, in order when the master still answers.
class Conversation {
 public:
  virtual ~Conversation() = default;
  // Returns when the message is on its way; waits while the master does not read. False once the stream is
  // broken: the inbox tells why.
  virtual bool Send(const v1::AttachRequest& message) = 0;
};

// Opens conversations.
class Dialer {
 public:
  virtual ~Dialer() = default;
  // What the master says goes to `inbox`, which outlives the conversation. A master that is not there shows
  // as the inbox's end.
  virtual std::unique_ptr<Conversation> Dial(Inbox& inbox) = 0;
};

}  // namespace rootwright
