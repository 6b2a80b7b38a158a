#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace rootwright {

// Shuts this process, which has one thread, into a folder for good: it becomes its root in a
// mount namespace that has nothing else, without network, and without any capability but
// those that write files with owners and devices. Open descriptors stay open. Needs root.
absl::Status EnterTreeJail(const std::filesystem::path& tree);

}  // namespace rootwright
