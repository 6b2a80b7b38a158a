#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "ci/master/waker.h"
#include "rootwright/v1/shell.pb.h"

namespace rootwright::master {

// One direction of a shell between its caller and its agent: what one stream has read waits here for the
// other to write it. Bounded by the reader's manners: it reads on when there is room. Thread-safe.
template <class Message>
class ShellPipe {
 public:
  // Who takes from it; woken at once if there is something.
  void SetReader(std::weak_ptr<Waker> reader) {
    {
      MutexLock lock(mutex_);
      reader_ = std::move(reader);
    }
    Wake();
  }
  // Dropped once it is closed.
  void Put(Message message) {
    {
      MutexLock lock(mutex_);
      if (closed_) return;
      messages_.push_back(std::move(message));
    }
    Wake();
  }
  // Ends the reader's stream with `status` once everything has been taken. Only the first counts.
  void Close(absl::Status status) {
    {
      MutexLock lock(mutex_);
      if (!std::exchange(closed_, true)) status_ = std::move(status);
    }
    Wake();
    CallWaiter();
  }
  absl::StatusOr<Supply> Take(Message* message) {
    {
      MutexLock lock(mutex_);
      if (messages_.empty()) {
        if (!closed_) return Supply::kNothingYet;
        if (!status_.ok()) return status_;
        return Supply::kEnd;
      }
      *message = std::move(messages_.front());
      messages_.pop_front();
    }
    CallWaiter();
    return Supply::kMessage;
  }
  // True: it is full, and `then` is called, once, when it is not any more.
  bool WaitForRoom(std::function<void()> then) {
    MutexLock lock(mutex_);
    if (messages_.size() < kMostMessages || closed_) return false;
    waiter_ = std::move(then);
    return true;
  }

 private:
  // Of 64 KiB at most.
  static constexpr size_t kMostMessages = 4;

  // Not under the lock: both call out.
  void Wake() {
    std::shared_ptr<Waker> reader;
    {
      MutexLock lock(mutex_);
      reader = reader_.lock();
    }
    if (reader != nullptr) reader->Wake();
  }
  void CallWaiter() {
    std::function<void()> waiter;
    {
      MutexLock lock(mutex_);
      waiter.swap(waiter_);
    }
    if (waiter) waiter();
  }

  Mutex mutex_;
  std::deque<Message> messages_ RW_GUARDED_BY(mutex_);
  bool closed_ RW_GUARDED_BY(mutex_) = false;
  absl::Status status_ RW_GUARDED_BY(mutex_);
  std::weak_ptr<Waker> reader_ RW_GUARDED_BY(mutex_);
  std::function<void()> waiter_ RW_GUARDED_BY(mutex_);
};

// A shell between the two streams that carry it.
struct ShellRelay {
  ShellPipe<v1::ShellInput> to_agent;
  ShellPipe<v1::ShellOutput> to_caller;

  // What the agent's stream has read. InvalidArgument when no agent says so.
  absl::Status FromAgent(v1::ShellOutput output);
  void AgentGone() {
    to_caller.Close(absl::UnavailableError("shell: the agent is out of reach; the shell is lost"));
    to_agent.Close(absl::OkStatus());
  }
  void CallerGone() {
    to_agent.Close(absl::OkStatus());
    to_caller.Close(absl::OkStatus());
  }
};

}  // namespace rootwright::master
