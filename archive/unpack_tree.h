#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "archive/overlay_changes.h"
#include "base/clock.h"

namespace rootwright {

struct UnpackedTree {
  // Files, links and folders made.
  int64_t entries = 0;
  // Device nodes that were left out: an environment has a /dev of its own.
  int64_t devices_left_out = 0;
  int64_t content_bytes = 0;
};

// Bytes of the archive, as it is stored, that have been read.
using UnpackProgress = std::function<void(int64_t archive_bytes)>;

// Unpacks a whole root filesystem, a tar archive (plain or compressed), into the empty folder `tree`: with
// owner, mode, time, hard links, security.capability and user.* attributes, without device nodes.
//
// The archive comes from outside and is not trusted: an entry that would leave the tree by "..", an absolute
// name or a symlink is PermissionDenied, anything past `limits` ResourceExhausted; damage, truncation, a name
// that stands in it twice, a socket, or nothing in it at all is DataLoss. After an error the tree is half
// made: throw it away.
//
// `archive` is an open file, read from its start; `name` stands for it in errors.
absl::StatusOr<UnpackedTree> UnpackTree(int archive, const std::string& name,
                                        const std::filesystem::path& tree, const OverlayLimits& limits,
                                        const UnpackProgress& progress, Deadline deadline,
                                        std::stop_token stop);

}  // namespace rootwright
