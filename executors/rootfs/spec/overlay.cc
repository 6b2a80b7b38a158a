#include "executors/rootfs/spec/overlay.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "executors/rootfs/spec/utf8.h"

namespace rootwright {
namespace {

constexpr size_t kMostEntries = 200000;
constexpr int kDeepest = 128;

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Dir = std::unique_ptr<DIR, CloseDir>;

// The names in a folder, sorted, so that every run does the same.
absl::StatusOr<std::vector<std::string>> NamesIn(int folder, const std::string& shown) {
  const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return ErrnoStatus(errno, "read", shown);
  const Dir dir(fdopendir(copy));
  if (dir == nullptr) {
    const int why = errno;
    close(copy);
    return ErrnoStatus(why, "read", shown);
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<std::string> LinkTarget(int folder, const std::string& name, const std::string& shown) {
  char target[PATH_MAX + 1];
  const ssize_t length = readlinkat(folder, name.c_str(), target, sizeof target);
  if (length < 0) return ErrnoStatus(errno, "read link", shown);
  return std::string(target, static_cast<size_t>(length));
}

UniqueFd OpenFolder(int parent, const std::string& name) {
  return UniqueFd(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Opens a path as if `root` were "/": neither ".." nor a link leads out of it.
UniqueFd OpenInRoot(int root, const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

// Whether a relative link at this depth (0: in the root) leads above the root on its way.
bool ClimbsOut(absl::string_view target, int depth) {
  if (!target.empty() && target.front() == '/') depth = 0;
  for (absl::string_view part : absl::StrSplit(target, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return true;
  }
  return false;
}

class OverlayCheck {
 public:
  std::vector<SpecProblem> Take() { return std::move(problems_); }

  void Refuse(const std::string& path, std::string message, std::string hint = "") {
    SpecProblem problem;
    problem.file = path;
    problem.message = std::move(message);
    problem.hint = std::move(hint);
    problems_.push_back(std::move(problem));
  }

  void Walk(int folder, const std::string& shown, int depth) {
    const absl::StatusOr<std::vector<std::string>> names = NamesIn(folder, shown);
    if (!names.ok()) return Refuse(shown, std::string(names.status().message()));
    if (depth > kDeepest) return Refuse(shown, "nested too deeply");
    for (const std::string& name : *names) {
      if (++entries_ > kMostEntries) {
        if (entries_ == kMostEntries + 1) Refuse(shown, absl::StrCat("more than ", kMostEntries, " entries"));
        return;
      }
      CheckEntry(folder, name, absl::StrCat(shown, "/", name), depth);
    }
  }

 private:
  void CheckEntry(int folder, const std::string& name, const std::string& shown, int depth) {
    struct stat info {};
    if (fstatat(folder, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      return Refuse(shown, "cannot be read");
    }
    if (FindBadByte(name).has_value()) Refuse(shown, "the name holds control characters or is not UTF-8");
    if (S_ISDIR(info.st_mode)) {
      const UniqueFd below = OpenFolder(folder, name);
      if (!below) return Refuse(shown, "cannot be read");
      return Walk(below.get(), shown, depth + 1);
    }
    if (S_ISLNK(info.st_mode)) {
      const absl::StatusOr<std::string> target = LinkTarget(folder, name, shown);
      if (target.ok() && ClimbsOut(*target, depth)) {
        Refuse(shown, absl::StrCat("the link leaves the root by '..': '", *target, "'"));
      }
      return;
    }
    if (!S_ISREG(info.st_mode)) Refuse(shown, "only files, folders and links can be in an overlay");
  }

  std::vector<SpecProblem> problems_;
  size_t entries_ = 0;
};

absl::Status CopyContent(int from, int to, int64_t size, const std::string& shown) {
  while (size > 0) {
    const ssize_t sent = sendfile(to, from, nullptr, static_cast<size_t>(std::min<int64_t>(size, 1 << 30)));
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return ErrnoStatus(errno, "write", shown);
    if (sent == 0) break;
    size -= sent;
  }
  return absl::OkStatus();
}

// Copies one folder level after the other; `root` is the tree, `path` where in it.
class Placement {
 public:
  explicit Placement(int root) : root_(root) {}

  absl::Status Folder(int from, const std::string& path) {
    RW_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(from, path));
    const UniqueFd to = OpenInRoot(root_, path.empty() ? "/" : path, O_RDONLY | O_DIRECTORY);
    if (!to) return ErrnoStatus(errno, "open", path);
    for (const std::string& name : names) {
      const std::string below = absl::StrCat(path, "/", name);
      struct stat info {};
      if (fstatat(from, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
        return ErrnoStatus(errno, "read", below);
      if (S_ISDIR(info.st_mode)) {
        RW_RETURN_IF_ERROR(MakeFolder(to.get(), name, below));
        const UniqueFd inner = OpenFolder(from, name);
        if (!inner) return ErrnoStatus(errno, "read", below);
        RW_RETURN_IF_ERROR(Folder(inner.get(), below));
      } else {
        RW_RETURN_IF_ERROR(MakeRoom(to.get(), name, below));
        RW_RETURN_IF_ERROR(S_ISLNK(info.st_mode) ? Link(from, to.get(), name, below)
                                                 : File(from, to.get(), name, info, below));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status MakeFolder(int to, const std::string& name, const std::string& path) {
    if (mkdirat(to, name.c_str(), 0755) == 0) {
      // The umask must not decide, nor the user that the agent runs as.
      if (fchmodat(to, name.c_str(), 0755, 0) != 0) return ErrnoStatus(errno, "set the mode of", path);
      return absl::OkStatus();
    }
    if (errno != EEXIST) return ErrnoStatus(errno, "make folder", path);
    if (OpenInRoot(root_, path, O_RDONLY | O_DIRECTORY)) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "place overlay: ", path, ": the root filesystem has something there that is not a folder"));
  }

  static absl::Status MakeRoom(int to, const std::string& name, const std::string& path) {
    if (unlinkat(to, name.c_str(), 0) == 0 || errno == ENOENT) return absl::OkStatus();
    if (errno != EISDIR && errno != EPERM) return ErrnoStatus(errno, "replace", path);
    return absl::FailedPreconditionError(
        absl::StrCat("place overlay: ", path, ": the root filesystem has a folder there"));
  }

  static absl::Status Link(int from, int to, const std::string& name, const std::string& path) {
    RW_ASSIGN_OR_RETURN(const std::string target, LinkTarget(from, name, path));
    if (symlinkat(target.c_str(), to, name.c_str()) != 0) return ErrnoStatus(errno, "make link", path);
    return absl::OkStatus();
  }

  static absl::Status File(int from, int to, const std::string& name, const struct stat& info,
                           const std::string& path) {
    if (!S_ISREG(info.st_mode))
      return absl::FailedPreconditionError(absl::StrCat("place overlay: ", path, ": not a file"));
    const UniqueFd source(openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!source) return ErrnoStatus(errno, "open", path);
    const UniqueFd copy(openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!copy) return ErrnoStatus(errno, "create", path);
    RW_RETURN_IF_ERROR(CopyContent(source.get(), copy.get(), info.st_size, path));
    const mode_t mode = (info.st_mode & 0111) != 0 ? 0755 : 0644;
    if (fchmod(copy.get(), mode) != 0) return ErrnoStatus(errno, "set the mode of", path);
    return absl::OkStatus();
  }

  const int root_;
};

}  // namespace

std::vector<SpecProblem> CheckOverlay(const std::filesystem::path& specification_folder,
                                      const std::string& overlay) {
  OverlayCheck check;
  struct stat info {};
  const std::filesystem::path path = specification_folder / overlay;
  if (lstat(path.c_str(), &info) != 0) return {};
  if (S_ISLNK(info.st_mode)) {
    check.Refuse(overlay, "is a link; an overlay must be a folder of the specification itself");
  } else if (!S_ISDIR(info.st_mode)) {
    check.Refuse(overlay, "is not a folder");
  } else {
    const UniqueFd folder = OpenFolder(AT_FDCWD, path.string());
    if (folder)
      check.Walk(folder.get(), overlay, 0);
    else
      check.Refuse(overlay, "cannot be read");
  }
  return check.Take();
}

absl::Status PlaceOverlay(const std::filesystem::path& overlay, const std::filesystem::path& tree) {
  const UniqueFd from = OpenFolder(AT_FDCWD, overlay.string());
  if (!from) return errno == ENOENT ? absl::OkStatus() : ErrnoStatus(errno, "open", overlay.string());
  const UniqueFd root = OpenFolder(AT_FDCWD, tree.string());
  if (!root) return ErrnoStatus(errno, "open", tree.string());
  return Placement(root.get()).Folder(from.get(), "");
}

}  // namespace rootwright
