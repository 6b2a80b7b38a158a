#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rootwright {

// A package as a root filesystem's Portage knows it.
struct MergedPackage {
  // "dev-libs/popt"
  std::string name;
  // "1.19-r2"
  std::string version;
  // "0/2": slot and sub-slot.
  std::string slot;
  std::string repository;
  // Of its own flags (IUSE) those that are on, sorted.
  std::vector<std::string> use;
};

// Reads tree/var/db/pkg, sorted by name and version; nothing when there is none. No link is followed: the
// tree is a user's. DataLoss names an entry that is no package.
absl::StatusOr<std::vector<MergedPackage>> ReadPackageDatabase(const std::filesystem::path& tree);

}  // namespace rootwright
