#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "executors/libvirt/libvirt_connection.h"

namespace rootwright {

// What becomes of one machine or container, as libvirt tells: whoever waits for it is woken when
// there is nothing to wait for any more. From any thread.
class DomainWatch {
 public:
  enum class Fate { kAlive, kEndedByGuest, kStopped, kKilled, kLibvirtLost };

  DomainWatch(LibvirtConnection& connection, const std::string& domain);

  // Asked to stop when its fate is no longer kAlive.
  std::stop_token ended() const { return shared_->ended.get_token(); }
  Fate fate() const;
  // We end it ourselves. The first fate stays.
  void MarkKilled();
  // Whether libvirt has told that it stopped, by then.
  bool AwaitStopped(Deadline deadline);

 private:
  // What the listener uses; it may outlive this object for a moment.
  struct Shared {
    void Set(Fate fate);
    Mutex mutex;
    CondVar changed;
    Fate fate RW_GUARDED_BY(mutex) = Fate::kAlive;
    bool stopped RW_GUARDED_BY(mutex) = false;
    std::stop_source ended;
  };

  const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  const std::unique_ptr<LibvirtConnection::Subscription> subscription_;
};

// A stop token that follows two others.
class EitherStop {
 public:
  EitherStop(std::stop_token a, std::stop_token b)
      : on_a_(std::move(a), Ask{&both_}), on_b_(std::move(b), Ask{&both_}) {}
  std::stop_token token() const { return both_.get_token(); }

 private:
  struct Ask {
    std::stop_source* source;
    void operator()() const { source->request_stop(); }
  };
  std::stop_source both_;
  std::stop_callback<Ask> on_a_;
  std::stop_callback<Ask> on_b_;
};

}  // namespace rootwright
