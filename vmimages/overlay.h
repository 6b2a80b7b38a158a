#pragma once

#include <filesystem>
#include <stop_token>

#include "absl/status/status.h"
#include "base/clock.h"

namespace rootwright {

enum class DiskFormat { kRaw, kQcow2 };

// QEMU's and libvirt's name: "raw", "qcow2".
const char* NameOf(DiskFormat format);

// Makes the new qcow2 file `overlay`, as large as `base`, which it reads from and never
// writes to. AlreadyExists when the file is there.
absl::Status CreateOverlay(const std::filesystem::path& base, DiskFormat base_format,
                           const std::filesystem::path& overlay, Deadline deadline, std::stop_token stop);

}  // namespace rootwright
