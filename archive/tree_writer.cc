#include "archive/tree_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr size_t kBuffer = 256 << 10;
constexpr int kDeepest = 256;

timespec Seconds(int64_t seconds) { return {.tv_sec = static_cast<time_t>(seconds), .tv_nsec = 0}; }

bool HasDotDot(absl::string_view path) {
  return path == ".." || absl::StartsWith(path, "../") || absl::EndsWith(path, "/..") ||
         absl::StrContains(path, "/../");
}

// 0 or an errno. `folder` stays the caller's.
int RemoveBelow(int folder, int depth) {
  if (depth > kDeepest) return ELOOP;
  const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return errno;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(copy), &closedir);
  if (!listing) {
    const int error = errno;
    close(copy);
    return error;
  }
  while (const dirent* item = readdir(listing.get())) {
    const absl::string_view name(item->d_name);
    if (name == "." || name == "..") continue;
    if (unlinkat(folder, item->d_name, 0) == 0) continue;
    if (errno != EISDIR && errno != EPERM) return errno;
    const UniqueFd below(openat(folder, item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!below) return errno;
    if (const int error = RemoveBelow(below.get(), depth + 1); error != 0) return error;
    if (unlinkat(folder, item->d_name, AT_REMOVEDIR) != 0) return errno;
  }
  return 0;
}

// Owner, mode, attributes and time of a file or folder.
absl::Status SetAttributes(int fd, const TarEntry& entry) {
  // Owner first: changing it takes set-id bits and capabilities away.
  if (fchown(fd, entry.uid, entry.gid) != 0) return ErrnoStatus(errno, "set the owner of", entry.path);
  if (fchmod(fd, entry.mode & 07777) != 0) return ErrnoStatus(errno, "set the mode of", entry.path);
  for (const auto& [key, value] : entry.xattrs) {
    if (KeptXattr(key) && fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) != 0) {
      return ErrnoStatus(errno, absl::StrCat("set ", key, " of"), entry.path);
    }
  }
  const timespec times[2] = {Seconds(entry.mtime), Seconds(entry.mtime)};
  if (futimens(fd, times) != 0) return ErrnoStatus(errno, "set the time of", entry.path);
  return absl::OkStatus();
}

}  // namespace

bool KeptXattr(absl::string_view name) {
  return name == "security.capability" || absl::StartsWith(name, "user.");
}

TreeWriter::TreeWriter(UniqueFd root, Links links, std::string name)
    : root_(std::move(root)), links_(links), name_(std::move(name)) {}

absl::StatusOr<TreeWriter> TreeWriter::Create(const std::filesystem::path& folder, Links links) {
  UniqueFd root(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return ErrnoStatus(errno, "open the tree", folder.string());
  return TreeWriter(std::move(root), links, folder.string());
}

absl::Status TreeWriter::Failed(int error, absl::string_view what, absl::string_view path) const {
  if (error == EXDEV || error == ELOOP) {
    return absl::PermissionDeniedError(
        absl::StrCat(what, ": ", path, ": leads out of the tree or through a symlink"));
  }
  return ErrnoStatus(error, what, path);
}

absl::StatusOr<UniqueFd> TreeWriter::OpenFolder(const std::string& path, int more_flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(O_RDONLY | O_DIRECTORY | O_CLOEXEC | more_flags);
  how.resolve = RESOLVE_NO_MAGICLINKS |
                (links_ == Links::kRefuse ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS : RESOLVE_IN_ROOT);
  for (int tries = 0;; ++tries) {
    const long fd = syscall(SYS_openat2, root_.get(), path.empty() ? "." : path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // EAGAIN: something was renamed meanwhile, and the kernel could not be sure.
    if (errno != EAGAIN || tries > 100) return Failed(errno, "open folder", path);
  }
}

void TreeWriter::Forget() {
  last_path_.clear();
  last_.reset();
}

absl::StatusOr<TreeWriter::Place> TreeWriter::Locate(const std::string& path) {
  if (path.empty() || path.front() == '/' || HasDotDot(path)) {
    return absl::PermissionDeniedError(absl::StrCat("make: ", path, ": leads out of the tree"));
  }
  const size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
  if (!last_ || last_path_ != parent) {
    Forget();
    RW_ASSIGN_OR_RETURN(last_, OpenFolder(parent));
    last_path_ = parent;
  }
  return Place{last_.get(), slash == std::string::npos ? path : path.substr(slash + 1)};
}

absl::Status TreeWriter::MakeFile(const Place& place, const TarEntry& entry, const Content& content,
                                  int64_t max_bytes) {
  const UniqueFd fd(
      openat(place.folder, place.leaf.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Failed(errno, "create", entry.path);
  thread_local std::array<char, kBuffer> buffer;
  int64_t written = 0;
  for (;;) {
    RW_ASSIGN_OR_RETURN(const size_t got, content(buffer));
    if (got == 0) break;
    written += static_cast<int64_t>(got);
    if (written > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("write: ", entry.path, ": more than ", max_bytes, " bytes"));
    }
    RW_RETURN_IF_ERROR(WriteAll(fd.get(), {buffer.data(), got}, entry.path));
  }
  return SetAttributes(fd.get(), entry);
}

absl::Status TreeWriter::MakeHardlink(const Place& place, const TarEntry& entry) {
  if (entry.target.empty() || entry.target.front() == '/' || HasDotDot(entry.target)) {
    return absl::PermissionDeniedError(
        absl::StrCat("link: ", entry.path, ": to ", entry.target, ", out of the tree"));
  }
  const size_t slash = entry.target.rfind('/');
  RW_ASSIGN_OR_RETURN(const UniqueFd from,
                      OpenFolder(slash == std::string::npos ? "" : entry.target.substr(0, slash)));
  const std::string leaf = slash == std::string::npos ? entry.target : entry.target.substr(slash + 1);
  if (linkat(from.get(), leaf.c_str(), place.folder, place.leaf.c_str(), 0) != 0) {
    return Failed(errno, absl::StrCat("link to ", entry.target), entry.path);
  }
  return absl::OkStatus();
}

absl::Status TreeWriter::Make(const TarEntry& entry, const Content& content, int64_t max_bytes) {
  RW_ASSIGN_OR_RETURN(const Place place, Locate(entry.path));
  const char* leaf = place.leaf.c_str();
  mode_t kind = 0;
  switch (entry.kind) {
    case TarEntry::Kind::kFile:
      return MakeFile(place, entry, content, max_bytes);
    case TarEntry::Kind::kHardlink:
      return MakeHardlink(place, entry);
    case TarEntry::Kind::kFolder:
      return absl::InternalError(absl::StrCat("make: ", entry.path, ": is a folder"));
    case TarEntry::Kind::kSymlink:
      if (symlinkat(entry.target.c_str(), place.folder, leaf) != 0)
        return Failed(errno, "make symlink", entry.path);
      break;
    case TarEntry::Kind::kCharDevice:
      kind = S_IFCHR;
      break;
    case TarEntry::Kind::kBlockDevice:
      kind = S_IFBLK;
      break;
    case TarEntry::Kind::kFifo:
      kind = S_IFIFO;
      break;
  }
  if (kind != 0 && mknodat(place.folder, leaf, kind | 0600, entry.device) != 0) {
    return Failed(errno, "make device", entry.path);
  }
  if (fchownat(place.folder, leaf, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "set the owner of", entry.path);
  }
  // Nothing else writes here under this name, so the device just made is the one changed.
  if (kind != 0 && fchmodat(place.folder, leaf, entry.mode & 07777, 0) != 0) {
    return Failed(errno, "set the mode of", entry.path);
  }
  const timespec times[2] = {Seconds(entry.mtime), Seconds(entry.mtime)};
  if (utimensat(place.folder, leaf, times, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "set the time of", entry.path);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> TreeWriter::MakeFolder(const std::string& path) {
  if (path.empty()) return false;
  RW_ASSIGN_OR_RETURN(const Place place, Locate(path));
  if (mkdirat(place.folder, place.leaf.c_str(), 0755) == 0) return true;
  if (errno != EEXIST) return Failed(errno, "make folder", path);
  struct stat found {};
  if (fstatat(place.folder, place.leaf.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return Failed(errno, "look at", path);
  }
  if (S_ISDIR(found.st_mode)) return false;
  if (links_ == Links::kFollowInside && S_ISLNK(found.st_mode) && OpenFolder(path).ok()) return false;
  return absl::AlreadyExistsError(absl::StrCat("make folder: ", path, ": something else has that name"));
}

absl::Status TreeWriter::SetFolder(const TarEntry& entry) {
  if (!entry.path.empty()) RW_RETURN_IF_ERROR(Locate(entry.path).status());
  RW_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFolder(entry.path, O_NOFOLLOW));
  return SetAttributes(fd.get(), entry);
}

absl::Status TreeWriter::Remove(const std::string& path) {
  const auto located = Locate(path);
  if (absl::IsNotFound(located.status())) return absl::OkStatus();
  RW_ASSIGN_OR_RETURN(const Place place, located);
  const char* leaf = place.leaf.c_str();
  if (unlinkat(place.folder, leaf, 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM) return Failed(errno, "remove", path);
  const UniqueFd below(openat(place.folder, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!below) return Failed(errno, "remove", path);
  if (const int error = RemoveBelow(below.get(), 0); error != 0) return Failed(error, "remove", path);
  if (unlinkat(place.folder, leaf, AT_REMOVEDIR) != 0) return Failed(errno, "remove", path);
  Forget();
  return absl::OkStatus();
}

absl::Status TreeWriter::RemoveFile(const std::string& path) {
  RW_ASSIGN_OR_RETURN(const Place place, Locate(path));
  if (unlinkat(place.folder, place.leaf.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno == EISDIR)
    return absl::FailedPreconditionError(absl::StrCat("replace: ", path, ": it is a folder"));
  return Failed(errno, "remove", path);
}

absl::Status TreeWriter::Empty(const std::string& path) {
  if (!path.empty()) RW_RETURN_IF_ERROR(Locate(path).status());
  RW_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFolder(path));
  if (const int error = RemoveBelow(fd.get(), 0); error != 0) return Failed(error, "empty", path);
  Forget();
  return absl::OkStatus();
}

}  // namespace rootwright
