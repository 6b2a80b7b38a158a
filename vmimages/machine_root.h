#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace rootwright {

// Finishes a tree of unpacked Debian packages on the host, so that programs run in it without
// any package having been configured: users and groups, names, empty configuration, links
// that maintainer scripts would have made; and takes out what nobody reads in a machine
// (documentation, translations). Safe to repeat. It trusts the tree to come from Debian.
absl::Status FinishMachineRoot(const std::filesystem::path& tree);

}  // namespace rootwright
