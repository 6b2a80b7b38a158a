#include "executors/container/mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {
namespace {

// The kernel writes spaces, tabs, line ends and backslashes as three octal digits.
std::string Unescape(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      plain += text[i];
      continue;
    }
    plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return plain;
}

// A copy of the folder's mount, not attached anywhere, whose owners go through the namespace.
absl::StatusOr<UniqueFd> CloneShifted(const std::filesystem::path& folder, const UniqueFd& user_namespace,
                                      uint64_t more_attributes = 0) {
  UniqueFd tree(static_cast<int>(
      syscall(SYS_open_tree, AT_FDCWD, folder.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  if (!tree) return ErrnoStatus(errno, "clone the mount of", folder.string());
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | more_attributes;
  attributes.userns_fd = static_cast<uint64_t>(user_namespace.get());
  if (syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0)
    return tree;
  const bool unable = errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
  const absl::Status status = ErrnoStatus(errno, "shift the owners of", folder.string());
  if (!unable) return status;
  return absl::UnimplementedError(absl::StrCat(
      status.message(),
      ": idmapped mounts need Linux 5.12 and a file system that has them, such as ext4, xfs or btrfs"));
}

absl::Status MakeLayer(const std::filesystem::path& path, const struct stat& like, const IdRange& ids) {
  RW_RETURN_IF_ERROR(MakeFolders(path));
  if (like.st_uid >= ids.count || like.st_gid >= ids.count) {
    return absl::InvalidArgumentError(absl::StrCat("make a layer: ", path.string(), ": owner ", like.st_uid,
                                                   " is outside of a container's"));
  }
  if (chown(path.c_str(), ids.first + like.st_uid, ids.first + like.st_gid) != 0 ||
      chmod(path.c_str(), like.st_mode & 07777) != 0) {
    return ErrnoStatus(errno, "make a layer", path.string());
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::filesystem::path> MountsBelow(absl::string_view mountinfo,
                                               const std::filesystem::path& folder) {
  const std::string prefix = (folder / "").string();
  std::vector<std::filesystem::path> found;
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    if (fields.size() < 5) continue;
    const std::string at = Unescape(fields[4]);
    if (absl::StartsWith(at, prefix) && at != prefix) found.emplace_back(at);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

absl::Status UnmountBelow(const std::filesystem::path& folder) {
  std::error_code error;
  // As the kernel names it.
  const std::filesystem::path real = std::filesystem::weakly_canonical(folder, error);
  RW_ASSIGN_OR_RETURN(const std::string table, ReadFile("/proc/self/mountinfo"));
  absl::Status status;
  for (const std::filesystem::path& mount : MountsBelow(table, error ? folder : real)) {
    if (umount2(mount.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
      status.Update(ErrnoStatus(errno, "unmount", mount.string()));
  }
  return status;
}

absl::Status MountShiftedOverlay(const std::filesystem::path& lower, const std::filesystem::path& layers,
                                 const IdRange& ids, const std::filesystem::path& at) {
  struct stat top;
  if (stat(lower.c_str(), &top) != 0) return ErrnoStatus(errno, "look at", lower.string());
  // The root of the view is the upper layer's.
  RW_RETURN_IF_ERROR(MakeLayer(layers / "upper", top, ids));
  RW_RETURN_IF_ERROR(MakeLayer(layers / "work", top, ids));
  RW_RETURN_IF_ERROR(MakeFolders(layers / "lower"));
  RW_RETURN_IF_ERROR(MakeFolders(at));
  RW_ASSIGN_OR_RETURN(const UniqueFd shift, MakeUserNamespace(0, ids.first, ids.count));
  RW_ASSIGN_OR_RETURN(const UniqueFd tree, CloneShifted(lower, shift));
  const UniqueFd folder(open(layers.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return ErrnoStatus(errno, "open", layers.string());
  // Attached for a moment: before Linux 6.15 overlayfs refuses a mount that is not. It keeps a copy of its
  // own.
  if (syscall(SYS_move_mount, tree.get(), "", folder.get(), "lower", MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return ErrnoStatus(errno, "mount", (layers / "lower").string());
  // By descriptor: the container reads these options in its mount table, and they need no escaping.
  const std::string here = absl::StrCat("/proc/self/fd/", folder.get());
  // No redirects and no metacopies: the upper layer alone has to say all that changed. Volatile: nothing of
  // it is to survive, so nothing is synced.
  const std::string options =
      absl::StrCat("lowerdir=", here, "/lower,upperdir=", here, "/upper,workdir=", here,
                   "/work,redirect_dir=off,metacopy=off,index=off,volatile");
  absl::Status status;
  if (mount("overlay", at.c_str(), "overlay", 0, options.c_str()) != 0)
    status = ErrnoStatus(errno, "mount an overlay on", at.string());
  if (umount2((layers / "lower").c_str(), MNT_DETACH) != 0)
    status.Update(ErrnoStatus(errno, "unmount", (layers / "lower").string()));
  return status;
}

absl::StatusOr<UniqueFd> OpenShifted(const std::filesystem::path& folder, const IdRange& ids) {
  RW_ASSIGN_OR_RETURN(const UniqueFd shift, MakeUserNamespace(0, ids.first, ids.count));
  return CloneShifted(folder, shift, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

absl::StatusOr<UniqueFd> OpenUnshifted(const std::filesystem::path& folder, const IdRange& ids) {
  RW_ASSIGN_OR_RETURN(const UniqueFd shift, MakeUserNamespace(ids.first, 0, ids.count));
  return CloneShifted(folder, shift);
}

}  // namespace rootwright
