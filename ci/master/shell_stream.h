#pragma once

#include <memory>

#include "ci/master/pumped_stream.h"

namespace rootwright::master {

// One end of a shell on the wire: reads a message when the relay has room for it, writes what the relay has.
// Side is what differs between caller and agent:
//
//   absl::Status Take(Request, std::weak_ptr<Waker>)   a message was read; an error ends the stream
//   bool WaitForRoom(std::function<void()>)            as ShellPipe's, of where Take puts it
//   absl::StatusOr<Supply> Next(Response*)             as PumpedStream's; not before the first Take
//   void Gone()                                        the stream has ended; any number of times
template <class Side, class Request, class Response>
class ShellStream final : public PumpedStream<grpc::ServerBidiReactor<Request, Response>, Response>,
                          public std::enable_shared_from_this<ShellStream<Side, Request, Response>> {
 public:
  explicit ShellStream(Side side) : side_(std::move(side)) {}

  void ReadOn() {
    this->StartRead(&request_);
    {
      MutexLock lock(mutex_);
      ++reads_;
    }
    this->Wake();
  }

  void OnReadDone(bool ok) override {
    bool over;
    {
      MutexLock lock(mutex_);
      --reads_;
      over = read_all_ = !ok || finishing_;
    }
    if (over) {
      side_.Gone();
      return this->Wake();
    }
    absl::Status taken = side_.Take(std::move(request_), this->weak_from_this());
    request_.Clear();
    {
      MutexLock lock(mutex_);
      begun_ = true;
      status_.Update(taken);
    }
    if (!taken.ok()) side_.Gone();
    const auto self = this->shared_from_this();
    if (!taken.ok() || !side_.WaitForRoom([self] { self->ReadOn(); })) ReadOn();
  }

  void OnCancel() override {
    bool begun;
    {
      MutexLock lock(mutex_);
      begun = begun_;
    }
    // Lets a read go on that waits for room, so that it ends.
    if (begun) side_.Gone();
    PumpedStream<grpc::ServerBidiReactor<Request, Response>, Response>::OnCancel();
  }

  void OnDone() override {
    side_.Gone();
    PumpedStream<grpc::ServerBidiReactor<Request, Response>, Response>::OnDone();
  }

 private:
  absl::StatusOr<Supply> Next(Response* response) override {
    {
      MutexLock lock(mutex_);
      if (!status_.ok()) return status_;
      if (!begun_) return read_all_ ? Supply::kEnd : Supply::kNothingYet;
    }
    return side_.Next(response);
  }

  // Not between two reads: none may be started on a stream that has finished.
  bool MayFinish() override {
    MutexLock lock(mutex_);
    if (reads_ < 1 && !read_all_) return false;
    finishing_ = true;
    return true;
  }

  Side side_;
  Request request_;
  Mutex mutex_;
  // Under way: 0 or 1; for a moment -1, when one is done before its start was counted.
  int reads_ RW_GUARDED_BY(mutex_) = 0;
  bool read_all_ RW_GUARDED_BY(mutex_) = false;
  bool finishing_ RW_GUARDED_BY(mutex_) = false;
  bool begun_ RW_GUARDED_BY(mutex_) = false;
  absl::Status status_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright::master
