#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/unique_fd.h"

namespace rootwright {

// The folder of a binary package cache, shared by processes:
//
//   lock                                       held while anything below changes
//   packages/<scope>/<name>.gpkg.tar           mode 0444
//   packages/<scope>/<name>.record             signed (binary_package_record.h); its time is the last use
//   incoming/                                  what is being written
//   uses/<id>                                  what a build was handed; locked while that build lives
//
// A package counts once its record is there, which comes last; what is on its way in when a process ends is
// removed by whoever has the lock next. Whether there is a record and it is true is not for this to say.
class PackageStore {
 public:
  explicit PackageStore(std::filesystem::path folder);

  // Held until the object goes. What an earlier process left in the middle is gone then.
  class Lock {
   public:
    explicit Lock(UniqueFd fd) : fd_(std::move(fd)) {}

   private:
    UniqueFd fd_;
  };
  absl::StatusOr<Lock> Acquire(Deadline deadline, std::stop_token stop) const;

  struct Entry {
    std::string scope;
    // Without ".gpkg.tar" or ".record".
    std::string name;
    // Of the package as it lies there.
    int64_t size_bytes = 0;
    absl::Time used;
  };
  // These take the lock as proof that it is held.
  absl::StatusOr<std::vector<Entry>> List(const Lock& lock) const;
  // Moves a file of incoming() there, then writes its record.
  absl::Status Put(const Lock& lock, const std::string& scope, const std::string& name,
                   const std::filesystem::path& file, absl::string_view record) const;
  absl::Status Remove(const Lock& lock, const std::string& scope, const std::string& name) const;
  // Removes what was not used for longest until `more_bytes` fit into the quota besides; nothing that a
  // running build was handed. False, with nothing removed, when they cannot fit.
  absl::StatusOr<bool> MakeRoom(const Lock& lock, int64_t quota_bytes, int64_t more_bytes) const;
  // While the descriptor is open, MakeRoom leaves these alone.
  absl::StatusOr<UniqueFd> Use(const Lock& lock, const std::vector<Entry>& entries) const;

  // It was used now.
  void Touch(const std::string& scope, const std::string& name) const;
  std::filesystem::path PackageFile(const std::string& scope, const std::string& name) const;
  std::filesystem::path RecordFile(const std::string& scope, const std::string& name) const;
  std::filesystem::path incoming() const { return folder_ / "incoming"; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  const std::filesystem::path folder_;
};

}  // namespace rootwright
