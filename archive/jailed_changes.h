#pragma once

#include <filesystem>
#include <stop_token>

#include "absl/status/statusor.h"
#include "archive/overlay_changes.h"
#include "archive/unpack_tree.h"
#include "base/clock.h"

namespace rootwright {

// ApplyOverlayChanges in a process of its own, `program` (rootwright-apply): it opens the archive, shuts
// itself into the tree (tree_jail.h) with bounded memory, and only then reads a byte of it, so that an
// archive that breaks the reader breaks nothing but that process. The same errors, and Internal when it
// crashed.
absl::StatusOr<OverlayChanges> ApplyChangesInJail(const std::filesystem::path& program,
                                                  const std::filesystem::path& archive,
                                                  const std::filesystem::path& tree,
                                                  const OverlayLimits& limits, Deadline deadline,
                                                  std::stop_token stop);

// UnpackTree in the same kind of process.
absl::StatusOr<UnpackedTree> UnpackTreeInJail(const std::filesystem::path& program,
                                              const std::filesystem::path& archive,
                                              const std::filesystem::path& tree, const OverlayLimits& limits,
                                              const UnpackProgress& progress, Deadline deadline,
                                              std::stop_token stop);

// What the program says of its end, for its exit code; the message goes to standard error.
inline constexpr int kFirstErrorExit = 100;

}  // namespace rootwright
