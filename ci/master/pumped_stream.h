#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "ci/master/rpc_status.h"
#include "ci/master/waker.h"

namespace rootwright::master {

// The writing half of a reactor, the same for every stream of ours: one write in flight, messages pulled from
// a source when the last one is out, Finish exactly once, after a cancel too (a reactor that does not finish
// then hangs the server's shutdown). Base is grpc::ServerWriteReactor or grpc::ServerBidiReactor.
//
// It owns itself from Launch until OnDone; others wake it through a weak_ptr, so that none wakes what is
// gone.
template <class Base, class Response>
class PumpedStream : public Base, public Waker {
 public:
  // Makes the stream live and returns what the gRPC method has to. `prepare` gives it its source first:
  // wakes that come meanwhile are kept.
  template <class Stream, class Prepare>
  static Stream* Launch(const std::shared_ptr<Stream>& stream, const Prepare& prepare) {
    PumpedStream& pumped = *stream;
    pumped.self_ = stream;
    prepare();
    pumped.Pump();
    return stream.get();
  }

  // Any thread; never blocks.
  void Wake() override {
    {
      MutexLock lock(mutex_);
      if (busy_) {
        again_ = true;
        return;
      }
      busy_ = true;
    }
    Pump();
  }

  void OnWriteDone(bool ok) override {
    if (!ok) SetCancelled();
    Pump();
  }
  void OnCancel() override {
    SetCancelled();
    Wake();
  }
  void OnDone() override { self_.reset(); }

 protected:
  // One thread at a time. An error, or kEnd, ends the stream.
  virtual absl::StatusOr<Supply> Next(Response* response) = 0;
  // False holds Finish back until the next Wake: nothing may be started on a stream that has finished.
  virtual bool MayFinish() { return true; }

 private:
  void SetCancelled() {
    MutexLock lock(mutex_);
    cancelled_ = true;
  }

  // Called by who made it busy. It stays so while a write is out, and for ever after Finish.
  void Pump() {
    // gRPC may end the stream, and with it this object, before StartWrite or Finish return.
    const std::shared_ptr<void> alive = self_;
    while (true) {
      bool cancelled;
      {
        MutexLock lock(mutex_);
        again_ = false;
        cancelled = cancelled_;
      }
      absl::StatusOr<Supply> supply = absl::CancelledError("stream: the other side ended it");
      if (!cancelled) supply = Next(&response_);
      if (supply.ok() && *supply == Supply::kMessage) return this->StartWrite(&response_);
      const bool over = !supply.ok() || *supply == Supply::kEnd;
      if (over && MayFinish()) return this->Finish(ToGrpc(supply.status()));
      MutexLock lock(mutex_);
      if (again_) continue;
      busy_ = false;
      return;
    }
  }

  std::shared_ptr<void> self_;
  Response response_;
  Mutex mutex_;
  // Launch is the first user.
  bool busy_ RW_GUARDED_BY(mutex_) = true;
  bool again_ RW_GUARDED_BY(mutex_) = false;
  bool cancelled_ RW_GUARDED_BY(mutex_) = false;
};

}  // namespace rootwright::master
