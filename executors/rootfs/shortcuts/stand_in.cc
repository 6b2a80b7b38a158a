#include "executors/rootfs/shortcuts/stand_in.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {

std::string OriginalOf(const std::string& path) {
  std::string name = path;
  std::replace(name.begin(), name.end(), '/', '%');
  return absl::StrCat("/.rootwright/original/", name);
}

absl::StatusOr<std::string> StandIn(const std::filesystem::path& tree, const std::string& path,
                                    absl::string_view content) {
  const std::filesystem::path place = tree / path.substr(1);
  struct stat info {};
  if (lstat(place.c_str(), &info) != 0) return ErrnoStatus(errno, "stand in for", place.string());
  if (!S_ISREG(info.st_mode))
    return absl::FailedPreconditionError(absl::StrCat("stand in for: ", path, ": not a file"));
  const std::filesystem::path kept = tree / OriginalOf(path).substr(1);
  if (std::rename(place.c_str(), kept.c_str()) != 0) return ErrnoStatus(errno, "move", place.string());
  RW_RETURN_IF_ERROR(WriteFileAtomically(place, content, static_cast<int>(info.st_mode & 07777)));
  return absl::StrCat("mv -f '", OriginalOf(path), "' '", path, "'\n");
}

}  // namespace rootwright
