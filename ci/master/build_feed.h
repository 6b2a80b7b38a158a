#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "ci/master/store.h"
#include "ci/master/waker.h"
#include "rootwright/v1/build.pb.h"
#include "rootwright/v1/event.pb.h"

namespace rootwright::master {

// What one build says, for everybody who watches it. Keeps in memory the events that the store does not have
// yet, and a little more so that those who keep up never touch the disk; nobody who is slow can make it grow:
// they read from the store, by position. Thread-safe.
class BuildFeed {
 public:
  // `last`: everything up to it is in the store.
  BuildFeed(const v1::Build& build, EventPosition last);

  void Publish(std::shared_ptr<const v1::BuildEvent> event);
  // The master changed the build.
  void Update(const v1::Build& build);
  // Events behind the position are void and will come again.
  void Rewind(EventPosition position);
  // How often that happened.
  int rewinds() const;
  // The store has everything up to here, as it was after that many rewinds.
  void SetStored(EventPosition position, int rewinds);
  // The master ends: every watcher's stream does too.
  void Close();
  bool closed() const;

  // Looked up for each message by BuildWatcher.
  struct View {
    std::shared_ptr<const v1::Build> build;
    // Counts the master's changes.
    int64_t version = 0;
    bool closed = false;
    // The event behind the position, when it is in memory.
    std::shared_ptr<const v1::BuildEvent> event;
    // Events behind the position are in the store up to `in_store`, and no longer in memory.
    bool behind = false;
    EventPosition in_store;
  };
  View Look(EventPosition after) const;
  EventPosition stored() const;

  void Subscribe(std::weak_ptr<Waker> waker);
  // Not under any lock of the caller's.
  void Wake();

 private:
  void Trim() RW_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::shared_ptr<const v1::Build> build_ RW_GUARDED_BY(mutex_);
  int64_t version_ RW_GUARDED_BY(mutex_) = 1;
  bool closed_ RW_GUARDED_BY(mutex_) = false;
  std::deque<std::shared_ptr<const v1::BuildEvent>> tail_ RW_GUARDED_BY(mutex_);
  size_t tail_bytes_ RW_GUARDED_BY(mutex_) = 0;
  EventPosition stored_ RW_GUARDED_BY(mutex_);
  // Everything behind it is in tail_.
  EventPosition dropped_ RW_GUARDED_BY(mutex_);
  int rewinds_ RW_GUARDED_BY(mutex_) = 0;
  std::vector<std::weak_ptr<Waker>> wakers_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright::master
