#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "archive/deb.h"
#include "base/architecture.h"

namespace rootwright {

// What dpkg's database has to know of a package that has been unpacked.
struct UnpackedPackage {
  std::string name;
  bool multi_arch_same = false;
  std::map<std::string, DebControlFile> control;
  // In the archive's order, without the slash in front; the root itself is "".
  std::vector<std::string> paths;
  // Of the conffiles, or of all files where the package has no md5sums: path → digest.
  std::map<std::string, std::string> md5;
};

struct UnpackJob {
  // Open packages, in an order in which dependencies come first.
  std::vector<DebFile> packages;
  Architecture architecture = Architecture::kAmd64;
  int threads = 2;
  // Called from any of the threads.
  std::function<void(size_t package)> on_done;
};

// Unpacks packages into an empty folder with merged /usr, several at once, with a result
// that does not depend on which comes first:
//   - base-files goes first and its folder modes win, then the earlier package's;
//   - of two packages with the same file the later one wins, as with dpkg's Replaces, and
//     the other one's list loses it;
//   - a folder never replaces a symlink to one, nor a symlink a folder;
//   - folders get their modes and times at the very end.
// Symlinks are followed as if the folder were the root. DataLoss names a damaged package.
absl::StatusOr<std::vector<UnpackedPackage>> UnpackInto(const std::filesystem::path& folder,
                                                        const UnpackJob& job);

}  // namespace rootwright
