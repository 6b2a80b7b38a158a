#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/journal/build_journal.h"
#include "agent/journal/doorbell.h"
#include "agent/journal/paths.h"
#include "base/mutex.h"

namespace rootwright {

// All journals of this agent: one for each attempt that the master does not have the whole of. Calls may come
// from any thread.
class Journals {
 public:
  // Reads what an earlier life left. A folder that cannot be read is told in the log and left alone; one
  // without a lease never was a build, and is removed. `doorbell` rings when any journal grows, and outlives
  // this.
  static absl::StatusOr<std::unique_ptr<Journals>> Open(const StatePaths& paths, Doorbell& doorbell);

  // AlreadyExists when there is one of this attempt; InvalidArgument for an id that is none.
  absl::StatusOr<std::shared_ptr<BuildJournal>> Create(const v1::Lease& lease);
  // The latest attempt that is here, or null.
  std::shared_ptr<BuildJournal> Find(absl::string_view build_id) const;
  // Null when not here.
  std::shared_ptr<BuildJournal> FindLease(absl::string_view lease_id) const;
  // By build id and attempt.
  std::vector<std::shared_ptr<BuildJournal>> All() const;
  // Forgets it and removes its folder; whoever still writes to it writes into nowhere.
  void Remove(const BuildJournal& journal);

 private:
  Journals(StatePaths paths, Doorbell& doorbell) : paths_(std::move(paths)), doorbell_(doorbell) {}

  using Key = std::pair<std::string, int>;
  const StatePaths paths_;
  Doorbell& doorbell_;
  mutable Mutex mutex_;
  std::map<Key, std::shared_ptr<BuildJournal>> journals_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
