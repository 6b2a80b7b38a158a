#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace rootwright {

struct TreeDigest {
  // Of all files' content.
  int64_t content_bytes = 0;
  // SHA-256 over names, types, modes, owners, devices, links, content, file capabilities and users'
  // attributes of all that is in it, and of the folder itself; times are left out.
  std::string sha256;
};

// Reads all of it. Nothing in it is followed.
absl::StatusOr<TreeDigest> DigestTree(const std::filesystem::path& tree);

// What changes when somebody changes anything in it, from a look at each entry alone: inode, size, times.
absl::StatusOr<std::string> FingerprintTree(const std::filesystem::path& tree);

}  // namespace rootwright
