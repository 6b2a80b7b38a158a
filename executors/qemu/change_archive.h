#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "executors/guest/guest_channel.h"

namespace rootwright {

// Has the guest write the folder `upper` as a tar archive to the disk with the serial `disk`,
// raw from its first byte, and returns how many bytes the guest says it wrote. By a disk,
// since one that QEMU writes to a file is several times faster than the channel. Overlayfs'
// marks (opaque folders, whiteouts), capabilities and users' attributes are kept. The guest's
// number is not trusted: CopyChangeArchive checks it.
absl::StatusOr<int64_t> WriteChangeArchive(GuestChannel& channel, const std::string& upper,
                                           absl::string_view disk, Deadline deadline, std::stop_token stop);

// Copies the first `size` bytes of the disk's raw file to the new file `archive`. DataLoss
// when they cannot be a whole archive.
absl::Status CopyChangeArchive(const std::filesystem::path& disk_file, int64_t size,
                               const std::filesystem::path& archive, Deadline deadline, std::stop_token stop);

}  // namespace rootwright
