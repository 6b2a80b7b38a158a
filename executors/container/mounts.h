#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "executors/container/user_namespace.h"

namespace rootwright {

// Mount points below `folder` (not the folder itself), as in the text of /proc/self/mountinfo; the last
// mounted first.
std::vector<std::filesystem::path> MountsBelow(absl::string_view mountinfo,
                                               const std::filesystem::path& folder);

// Takes away everything that is mounted below `folder`, whoever left it and whether it is in use or not.
// Needs no libvirt. OK when there is nothing.
absl::Status UnmountBelow(const std::filesystem::path& folder);

// A writable view of a folder for a container, at `at` in it. `layers` is a folder of its own, in which what
// is written goes to "upper"; the lower folder's owners are shifted to `ids` by an idmapped mount, it is
// never written, and nothing of it is copied. Both folders must be on file systems that can do that (ext4,
// xfs, btrfs). Unimplemented when the kernel or the file system cannot.
absl::Status MountShiftedOverlay(const std::filesystem::path& lower, const std::filesystem::path& layers,
                                 const IdRange& ids, const std::filesystem::path& at);

// The folder with its owners shifted to `ids`, read-only and without devices and set-user-ID programs,
// mounted nowhere: for attaching inside a container. Unimplemented as above.
absl::StatusOr<UniqueFd> OpenShifted(const std::filesystem::path& folder, const IdRange& ids);

// The folder with its owners shifted back from `ids` to 0 and up, read-only, mounted nowhere: for reading by
// the descriptor. What is owned by anybody else appears as nobody's.
absl::StatusOr<UniqueFd> OpenUnshifted(const std::filesystem::path& folder, const IdRange& ids);

}  // namespace rootwright
