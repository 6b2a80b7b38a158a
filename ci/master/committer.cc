#include "ci/master/committer.h"

#include <condition_variable>
#include <memory>
#include <utility>

#include "base/log.h"
#include "base/status.h"

namespace rootwright::master {
namespace {

// More than this in memory and sessions stop reading.
constexpr size_t kRoomBytes = 4 << 20;
// A group of this size is not held back for company.
constexpr size_t kGroupBytes = 1 << 20;
constexpr absl::Duration kRetryPause = absl::Seconds(1);

}  // namespace

Committer::Committer(Store& store, LogStore& logs, absl::Duration interval)
    : store_(store), logs_(logs), interval_(interval), thread_([this](std::stop_token stop) { Run(stop); }) {}

Committer::~Committer() {
  thread_.request_stop();
  thread_.join();
}

void Committer::Add(const std::function<void(Batch&)>& change, size_t bytes, Urgency urgency,
                    std::function<void()> durable) {
  {
    MutexLock lock(mutex_);
    if (change) change(open_.batch);
    open_.bytes += bytes;
    if (urgency == Urgency::kNow) open_.urgency = urgency;
    if (durable) open_.durable.push_back(std::move(durable));
  }
  changed_.notify_all();
}

absl::Status Committer::Flush(Deadline deadline) {
  struct Signal {
    Mutex mutex;
    CondVar changed;
    bool durable = false;
  };
  auto signal = std::make_shared<Signal>();
  Add(nullptr, 0, Urgency::kNow, [signal] {
    {
      MutexLock lock(signal->mutex);
      signal->durable = true;
    }
    signal->changed.notify_all();
  });
  MutexLock lock(signal->mutex);
  if (signal->changed.wait_until(signal->mutex, deadline.instant(), [&] { return signal->durable; }))
    return absl::OkStatus();
  return absl::DeadlineExceededError("store: the disk does not take what is written; see the master's log");
}

bool Committer::WaitForRoom(std::function<void()> resume) {
  MutexLock lock(mutex_);
  if (waiting_ended_ || open_.bytes + writing_bytes_ < kRoomBytes) return false;
  waiting_for_room_.push_back(std::move(resume));
  return true;
}

void Committer::EndWaiting() {
  std::vector<std::function<void()>> resume;
  {
    MutexLock lock(mutex_);
    waiting_ended_ = true;
    resume.swap(waiting_for_room_);
  }
  for (const auto& call : resume) call();
}

absl::Status Committer::Commit(const Group& group) {
  for (const LogKey& key : group.batch.emptied_logs) RW_RETURN_IF_ERROR(logs_.Empty(key));
  for (const EventRecord& record : group.batch.events) {
    if (!record.event->has_log_chunk()) continue;
    const v1::LogChunk& chunk = record.event->log_chunk();
    const LogKey key{record.build_id, record.event->attempt(), chunk.step()};
    RW_RETURN_IF_ERROR(logs_.Write(key, chunk.offset(), chunk.data()));
  }
  RW_RETURN_IF_ERROR(logs_.Sync());
  if (group.batch.empty()) return absl::OkStatus();
  return store_.Write(group.batch);
}

void Committer::Run(std::stop_token stop) {
  while (true) {
    Group group;
    {
      MutexLock lock(mutex_);
      changed_.wait(mutex_, stop, [this]() RW_REQUIRES(mutex_) { return !open_.empty(); });
      if (open_.empty()) return;
      changed_.wait_for(mutex_, stop, absl::ToChronoMilliseconds(interval_), [this]() RW_REQUIRES(mutex_) {
        return open_.urgency == Urgency::kNow || open_.bytes >= kGroupBytes;
      });
      group = std::exchange(open_, Group());
      writing_bytes_ = group.bytes;
    }
    for (absl::Status status = Commit(group); !status.ok(); status = Commit(group)) {
      spdlog::error("cannot store what agents and users said, trying again: {}",
                    std::string(status.message()));
      MutexLock lock(mutex_);
      changed_.wait_for(mutex_, stop, absl::ToChronoMilliseconds(kRetryPause), [] { return false; });
      // Nothing of the group was acknowledged: agents still have it.
      if (stop.stop_requested()) return;
    }
    for (const auto& durable : group.durable) durable();
    group = Group();
    std::vector<std::function<void()>> resume;
    {
      MutexLock lock(mutex_);
      writing_bytes_ = 0;
      if (open_.bytes < kRoomBytes) resume.swap(waiting_for_room_);
    }
    for (const auto& call : resume) call();
  }
}

}  // namespace rootwright::master
