#include "executors/rootfs/shortcuts/stand_in.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "executors/rootfs/shortcuts/tree_path.h"

namespace rootwright {

std::string OriginalOf(const std::string& path) {
  std::string name = path;
  std::replace(name.begin(), name.end(), '/', '%');
  return absl::StrCat("/.rootwright/original/", name);
}

namespace {

// What the stand-in was when it was put there.
std::string CopyOf(const std::string& path) { return absl::StrCat(OriginalOf(path), "%stand-in"); }

}  // namespace

absl::StatusOr<std::string> StandIn(const std::filesystem::path& tree, const std::string& path,
                                    absl::string_view content) {
  const std::filesystem::path place = tree / path.substr(1);
  struct stat info {};
  if (lstat(place.c_str(), &info) != 0) return ErrnoStatus(errno, "stand in for", place.string());
  if (!IsFileInTree(tree, path))
    return absl::FailedPreconditionError(absl::StrCat("stand in for: ", path, ": not a file of the tree"));
  const std::filesystem::path kept = tree / OriginalOf(path).substr(1);
  if (std::rename(place.c_str(), kept.c_str()) != 0) return ErrnoStatus(errno, "move", place.string());
  RW_RETURN_IF_ERROR(WriteFileAtomically(place, content, static_cast<int>(info.st_mode & 07777)));
  RW_RETURN_IF_ERROR(WriteFileAtomically(tree / CopyOf(path).substr(1), content));
  return WhileItStands(path, absl::StrCat("mv -f '", OriginalOf(path), "' '", path, "'"));
}

std::string WhileItStands(const std::string& path, absl::string_view command) {
  return absl::StrCat("if [ \"$(cat '", path, "' 2>&1)\" = \"$(cat '", CopyOf(path), "')\" ]; then\n  ",
                      command, "\nfi\n");
}

}  // namespace rootwright
