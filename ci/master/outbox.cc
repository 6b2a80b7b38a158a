#include "ci/master/outbox.h"

#include <utility>

namespace rootwright::master {
namespace {

constexpr size_t kMaxMessages = 4096;

}  // namespace

void Outbox::Put(v1::AttachResponse message) {
  MutexLock lock(mutex_);
  if (closed_) return;
  if (message.has_event_ack() && !messages_.empty() && messages_.back().has_event_ack() &&
      messages_.back().event_ack().build_id() == message.event_ack().build_id() &&
      messages_.back().event_ack().sequence() <= message.event_ack().sequence()) {
    messages_.back() = std::move(message);
    return;
  }
  messages_.push_back(std::move(message));
  if (messages_.size() <= kMaxMessages) return;
  messages_.clear();
  closed_ = true;
  status_ = absl::ResourceExhaustedError("session: the agent takes no messages");
}

void Outbox::Close(absl::Status status) {
  MutexLock lock(mutex_);
  if (closed_) return;
  closed_ = true;
  status_ = std::move(status);
}

absl::StatusOr<Supply> Outbox::Take(v1::AttachResponse* message) {
  MutexLock lock(mutex_);
  if (!messages_.empty()) {
    *message = std::move(messages_.front());
    messages_.pop_front();
    return Supply::kMessage;
  }
  if (!closed_) return Supply::kNothingYet;
  if (!status_.ok()) return status_;
  return Supply::kEnd;
}

void Outbox::Wake() {
  if (auto reader = reader_.lock()) reader->Wake();
}

}  // namespace rootwright::master
