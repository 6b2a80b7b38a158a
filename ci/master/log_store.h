#pragma once

#include <compare>
#include <filesystem>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"

namespace rootwright::master {

// Names one log: the bytes of one step in one attempt of a build.
struct LogKey {
  std::string build_id;
  int attempt = 1;
  std::string step;
  auto operator<=>(const LogKey&) const = default;
};

// Log bytes as plain files, readable with any pager: FOLDER/BUILD/ATTEMPT/STEP.log. Writes come from one
// thread (the Committer's), at the offsets that the events name, so that writing the same chunk
// twice changes nothing. Read may be called from any thread. Build ids and step names are checked
// before they get here: they are safe as file names.
class LogStore {
 public:
  explicit LogStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  absl::Status Write(const LogKey& key, int64_t offset, absl::string_view data);
  // Takes back what a rewind made void.
  absl::Status Empty(const LogKey& key);
  // Brings all that was written to the disk, new file names included.
  absl::Status Sync();

  // Up to `max_bytes` from `offset`; empty at or behind the end, also when nothing was written yet.
  absl::StatusOr<std::string> Read(const LogKey& key, int64_t offset, int64_t max_bytes) const;

 private:
  struct OpenLog {
    UniqueFd fd;
    bool dirty = false;
  };
  absl::StatusOr<OpenLog*> Open(const LogKey& key);
  std::filesystem::path FolderOf(const LogKey& key) const;
  std::filesystem::path PathOf(const LogKey& key) const;

  const std::filesystem::path folder_;
  // Open between Syncs; few, as each build writes one log at a time.
  std::map<LogKey, OpenLog> open_;
};

}  // namespace rootwright::master
