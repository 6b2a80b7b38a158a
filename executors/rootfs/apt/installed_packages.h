#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rootwright {

// A package as a root filesystem's dpkg knows it.
struct InstalledPackage {
  std::string name;
  std::string version;
  std::string architecture;
  // "install ok installed".
  std::string status;
};

// Reads tree/var/lib/dpkg/status, sorted by name and architecture. No link is followed: the
// tree is a user's. DataLoss when it is no such file.
absl::StatusOr<std::vector<InstalledPackage>> ReadDpkgStatus(const std::filesystem::path& tree);

}  // namespace rootwright
