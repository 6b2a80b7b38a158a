#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "executors/rootfs/portage/distfile.h"

namespace rootwright {

// Source files on the host, shared by all builds and agents that use the folder. A file is there under its
// digest or not at all, so nothing that was changed, cut short or swapped by a mirror is ever handed to a
// build:
//
//   files/sha512-4cd0…        whole and checked, mode 0444
//   partial/sha512-4cd0…      what came so far; the next attempt goes on from there
//
// Two builds that want one file: the second waits for the first. Needs curl.
class DistfileCache {
 public:
  // Bytes of this file that are here.
  using Progress = std::function<void(int64_t bytes)>;

  explicit DistfileCache(std::filesystem::path folder);

  // Where the file is, fetched if need be; every address is tried. The error names file, host and address of
  // each attempt: DataLoss when a digest is another (with both), NotFound when no host has it, Unavailable
  // otherwise; InvalidArgument as CheckDistfile says.
  absl::StatusOr<std::filesystem::path> Get(const Distfile& file, const Progress& progress, Deadline deadline,
                                            std::stop_token stop) const;

  // Has all of them and makes `folder` a DISTDIR that holds each under its name: hard links, or copies where
  // the folder is on another file system. `folder` is made if it is missing. `progress`, if there is one, is
  // told the bytes of all files together that are here, and the file in hand.
  using DistdirProgress = std::function<void(int64_t bytes, const Distfile& file)>;
  absl::Status MakeDistdir(const std::vector<Distfile>& files, const std::filesystem::path& folder,
                           const DistdirProgress& progress, Deadline deadline, std::stop_token stop) const;

 private:
  absl::Status Fetch(const Distfile& file, const std::filesystem::path& partial, const Progress& progress,
                     Deadline deadline, std::stop_token stop) const;

  const std::filesystem::path folder_;
};

// DataLoss unless size and every digest are those of the file; the message has both.
absl::Status VerifyDistfile(const std::filesystem::path& path, const Distfile& file);

}  // namespace rootwright
