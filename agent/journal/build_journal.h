#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/journal/doorbell.h"
#include "agent/journal/event_file.h"
#include "base/mutex.h"
#include "base/unique_fd.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// What one attempt of a build has said, on disk, until the master has all of it: the truth that the session
// sends from and that outlives the agent. The build's thread appends, the session's reads and
// acknowledges; all calls may come from any thread.
class BuildJournal {
 public:
  // A new attempt in the new folder `folder`. The lease is on the disk when it returns.
  static absl::StatusOr<std::shared_ptr<BuildJournal>> Create(const std::filesystem::path& folder,
                                                              const v1::Lease& lease, Doorbell& doorbell,
                                                              EventFileOptions options = {});
  // What an earlier life of the agent left. NotFound when it died before the lease was written.
  static absl::StatusOr<std::shared_ptr<BuildJournal>> Open(const std::filesystem::path& folder,
                                                            Doorbell& doorbell,
                                                            EventFileOptions options = {});

  const v1::Lease& lease() const { return lease_; }
  const std::filesystem::path& folder() const { return folder_; }

  // Gives the event the next sequence and the lease's attempt, writes it, and rings the doorbell.
  // BuildFinished may use the space kept for last words; FailedPrecondition after it.
  absl::Status Append(v1::BuildEvent event);
  // Until here it survives a loss of power. May take long.
  absl::Status Sync();

  // Events after `after`, to at most about `max_bytes`. The cursor remembers the reader's place; any cursor
  // will do, and a reader that goes back is served as well.
  absl::Status Read(int64_t after, size_t max_bytes, EventCursor& cursor,
                    google::protobuf::RepeatedPtrField<v1::BuildEvent>* events) const;

  // The master has everything up to `sequence`; a lower number than before takes that back.
  void Acknowledge(int64_t sequence);

  int64_t last_sequence() const;
  int64_t acknowledged() const;
  // BuildFinished is in it.
  bool finished() const;
  // BuildFinished is acknowledged: it may be removed.
  bool delivered() const;
  // Of the first event; absent before.
  std::optional<absl::Time> started_at() const;

 private:
  BuildJournal(std::filesystem::path folder, v1::Lease lease, EventFile events, UniqueFd acknowledged,
               Doorbell& doorbell);
  absl::Status ReadEnds();

  const std::filesystem::path folder_;
  const v1::Lease lease_;
  Doorbell& doorbell_;
  // Of events_, which keeps it open.
  const int events_descriptor_;
  mutable Mutex mutex_;
  EventFile events_ RW_GUARDED_BY(mutex_);
  const UniqueFd acknowledged_file_;
  int64_t acknowledged_ RW_GUARDED_BY(mutex_) = 0;
  bool finished_ RW_GUARDED_BY(mutex_) = false;
  std::optional<absl::Time> started_at_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
