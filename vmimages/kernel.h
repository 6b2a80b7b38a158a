#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"

namespace rootwright {

// A kernel taken out of its Debian package.
struct Kernel {
  // "6.1.0-50-cloud-arm64".
  std::string release;
  // boot/vmlinuz-<release>.
  std::filesystem::path image;
  // lib/modules/<release>.
  std::filesystem::path modules;
};

// Unpacks the package linux-image-<release> below `folder`, which must be empty. DataLoss
// when the package does not have the one kernel that its name promises.
absl::StatusOr<Kernel> ExtractKernel(const std::filesystem::path& package,
                                     const std::filesystem::path& folder, Deadline deadline,
                                     std::stop_token stop);

}  // namespace rootwright
