#include "executors/rootfs/shortcuts/tree_path.h"

#include <system_error>

namespace rootwright {

namespace fs = std::filesystem;

bool IsFileInTree(const fs::path& tree, const std::string& path) {
  std::error_code error;
  return CanBeFolderInTree(tree, fs::path(path).parent_path().string()) &&
         fs::is_regular_file(fs::symlink_status(tree / path.substr(1), error));
}

bool CanBeFolderInTree(const fs::path& tree, const std::string& path) {
  fs::path place = tree;
  for (const fs::path& part : fs::path(path).relative_path()) {
    place /= part;
    std::error_code error;
    const fs::file_type type = fs::symlink_status(place, error).type();
    if (type == fs::file_type::not_found) return true;
    if (type != fs::file_type::directory || part == "..") return false;
  }
  return true;
}

}  // namespace rootwright
