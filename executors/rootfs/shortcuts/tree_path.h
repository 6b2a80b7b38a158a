#pragma once

#include <filesystem>
#include <string>

namespace rootwright {

// Packages bring symlinks, and followed on the host an absolute one leads out of the tree. Shortcuts touch
// only what these say yes to. Paths are absolute, as the target sees them.

// A regular file that is reached through folders alone.
bool IsFileInTree(const std::filesystem::path& tree, const std::string& path);

// A folder that is reached through folders alone; parts of the way that are not there are no hindrance.
bool CanBeFolderInTree(const std::filesystem::path& tree, const std::string& path);

}  // namespace rootwright
