#pragma once

#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "ci/master/waker.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright::master {

// Messages on their way to one agent, in order. Acknowledgements that nobody has taken yet are merged; an
// agent that takes nothing loses its session rather than fill the memory. Thread-safe; Put never calls out.
class Outbox {
 public:
  explicit Outbox(std::weak_ptr<Waker> reader) : reader_(std::move(reader)) {}

  void Put(v1::AttachResponse message);
  // Ends the stream with `status` once everything has been taken.
  void Close(absl::Status status);
  // kEnd when closed and empty; an error is the stream's status.
  absl::StatusOr<Supply> Take(v1::AttachResponse* message);
  // Not under any lock of the caller's.
  void Wake();

 private:
  Mutex mutex_;
  std::deque<v1::AttachResponse> messages_ RW_GUARDED_BY(mutex_);
  bool closed_ RW_GUARDED_BY(mutex_) = false;
  absl::Status status_ RW_GUARDED_BY(mutex_);
  const std::weak_ptr<Waker> reader_;
};

}  // namespace rootwright::master
