#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"

namespace rootwright {

// How much an archive from outside may do before it is refused.
struct OverlayLimits {
  int64_t entries = 2'000'000;
  // Of all names; those of folders are kept while it runs.
  int64_t name_bytes = 128 << 20;
  // Of all files' content.
  int64_t content_bytes = int64_t{64} << 30;
};

struct OverlayChanges {
  // Files, links, devices and folders made or changed.
  int64_t written = 0;
  int64_t removed = 0;
  int64_t content_bytes = 0;
};

// Lays the changes of an overlayfs, its upper folder as a raw tar, over the folder that was
// its lower one: a character device 0:0 removes what has its name, a folder with
// trusted.overlay.opaque=y replaces the folder, everything else is written with owner, mode,
// time, hard links, security.capability and user.* attributes.
//
// The archive comes from a machine that ran a user's code and is not trusted: an entry that
// would leave the tree by "..", an absolute name or a symlink is PermissionDenied, anything
// past `limits` ResourceExhausted, damage DataLoss. FailedPrecondition for upper folders
// that hold references instead of content (overlayfs mounted with redirect_dir or
// metacopy). After an error the tree is half changed: throw it away.
//
// `archive` is an open file, read from its start; `name` stands for it in errors.
absl::StatusOr<OverlayChanges> ApplyOverlayChanges(int archive, const std::string& name,
                                                   const std::filesystem::path& tree,
                                                   const OverlayLimits& limits, Deadline deadline,
                                                   std::stop_token stop);

}  // namespace rootwright
