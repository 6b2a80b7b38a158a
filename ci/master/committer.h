#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "ci/master/log_store.h"
#include "ci/master/store.h"

namespace rootwright::master {

// Makes changes durable in groups, on a thread of its own: what comes within one interval shares one
// transaction and one fsync. Log bytes reach the disk before the events that name them, so a crash leaves at
// most bytes that nobody refers to.
//
// A commit that fails (disk full) is tried again each second and nothing of it is acknowledged; memory
// stays bounded because sessions stop reading while there is no Room. Thread-safe.
class Committer {
 public:
  // kSoon waits for company up to the interval; kNow has somebody waiting for it.
  enum class Urgency { kSoon, kNow };

  Committer(Store& store, LogStore& logs, absl::Duration interval = absl::Milliseconds(10));
  // Commits what is left.
  ~Committer();

  // `change` fills the open group, at once and under this class's lock. `bytes` is about what it holds
  // in memory. `durable`, if any, is called from the commit thread.
  void Add(const std::function<void(Batch&)>& change, size_t bytes, Urgency urgency,
           std::function<void()> durable = nullptr);
  // Waits until all that was added before is durable. DeadlineExceeded when it is not by then.
  absl::Status Flush(Deadline deadline);

  // False: there is room for more, `resume` is not kept. True: `resume` will be called once there is.
  bool WaitForRoom(std::function<void()> resume);
  // From now on there is always room: nobody may be kept waiting when the master ends.
  void EndWaiting();

 private:
  struct Group {
    Batch batch;
    std::vector<std::function<void()>> durable;
    size_t bytes = 0;
    Urgency urgency = Urgency::kSoon;
    bool empty() const { return batch.empty() && durable.empty(); }
  };

  void Run(std::stop_token stop);
  absl::Status Commit(const Group& group);

  Store& store_;
  LogStore& logs_;
  const absl::Duration interval_;
  Mutex mutex_;
  CondVar changed_;
  Group open_ RW_GUARDED_BY(mutex_);
  // Of the group being written.
  size_t writing_bytes_ RW_GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void()>> waiting_for_room_ RW_GUARDED_BY(mutex_);
  bool waiting_ended_ RW_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace rootwright::master
