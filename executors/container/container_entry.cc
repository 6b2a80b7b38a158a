#include "executors/container/container_entry.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "executors/container/container_xml.h"

namespace rootwright {
namespace {

// What a child tells of its end. `what` is a literal: parent and child have it at the same place.
struct Failure {
  int error = 0;
  const char* what = nullptr;
};
static_assert(std::is_trivially_copyable_v<Failure>);

Failure Fail(const char* what) { return {errno, what}; }

// Runs `body` in a child. It is a copy of a process with threads: only system calls are allowed in it, and
// nothing that takes memory.
template <typename Body>
absl::Status InChild(const char* what, const Body& body) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, what, "the container");
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const pid_t child = fork();
  if (child == 0) {
    const Failure failure = body();
    [[maybe_unused]] const ssize_t told = write(ends[1], &failure, sizeof failure);
    _exit(0);
  }
  if (child < 0) return ErrnoStatus(errno, what, "the container");
  to.reset();
  Failure failure{EIO, "the child ended"};
  if (read(from.get(), &failure, sizeof failure) != sizeof failure) failure = {EIO, "the child ended"};
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (failure.error == 0) return absl::OkStatus();
  return ErrnoStatus(failure.error, what, failure.what);
}

absl::StatusOr<UniqueFd> OpenNamespace(pid_t process, const char* kind) {
  const std::string path = absl::StrCat("/proc/", process, "/ns/", kind);
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "enter the container", path);
  return fd;
}

// Gone is what was never there.
bool TakeAway(const char* path) {
  return umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT;
}

Failure HideTheHost() {
  if (!TakeAway("/sys/fs/cgroup")) return Fail("/sys/fs/cgroup");
  if (!TakeAway("/sys")) return Fail("/sys");
  // Empty, so that nobody takes the image's own folder for the kernel's. Not every root has one.
  if (mount("tmpfs", "/sys", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
            "size=0,nr_inodes=2,mode=555") != 0 &&
      errno != ENOENT) {
    return Fail("/sys");
  }
  // The program runs on without a name.
  if (!TakeAway(kGuestFolder)) return Fail(kGuestFolder);
  rmdir(kGuestFolder);
  rmdir("/.oldroot");
  return {};
}

Failure MakeFolder(int root, const char* name, const IdRange& ids) {
  if (mkdirat(root, name, 0755) != 0) return errno == EEXIST ? Failure{} : Fail(name);
  if (fchownat(root, name, ids.first, ids.first, AT_SYMLINK_NOFOLLOW) != 0) return Fail(name);
  return {};
}

Failure BindInto(int root, const char* from, const char* name, const IdRange& ids) {
  if (const Failure made = MakeFolder(root, name, ids); made.error != 0) return made;
  const int tree = static_cast<int>(
      syscall(SYS_open_tree, AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
  if (tree < 0) return Fail(from);
  if (syscall(SYS_move_mount, tree, "", root, name, MOVE_MOUNT_F_EMPTY_PATH) != 0) return Fail(name);
  close(tree);
  return {};
}

Failure Attach(int tree, const char* target, const char* run_options, const IdRange& ids) {
  if (const Failure made = MakeFolder(AT_FDCWD, target, ids); made.error != 0) return made;
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0) return Fail(target);
  if (chdir(target) != 0) return Fail(target);
  const int root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return Fail(target);
  for (const char* name : {"proc", "dev"}) {
    const char* from = name[0] == 'p' ? "/proc" : "/dev";
    if (const Failure bound = BindInto(root, from, name, ids); bound.error != 0) return bound;
  }
  if (const Failure made = MakeFolder(root, "run", ids); made.error != 0) return made;
  if (mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, run_options) != 0) return Fail("run");
  return {};
}

// `names` are the folders on the way, each in the one before.
Failure AttachAt(int tree, const std::vector<std::string>& names, const IdRange& ids) {
  int folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Fail("/");
  for (const std::string& name : names) {
    if (const Failure made = MakeFolder(folder, name.c_str(), ids); made.error != 0) return made;
    const int next = openat(folder, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0) return Fail(name.c_str());
    close(folder);
    folder = next;
  }
  if (syscall(SYS_move_mount, tree, "", folder, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    return Fail(names.back().c_str());
  return {};
}

}  // namespace

absl::Status SecureContainer(pid_t init) {
  RW_ASSIGN_OR_RETURN(const UniqueFd mounts, OpenNamespace(init, "mnt"));
  RW_ASSIGN_OR_RETURN(const UniqueFd users, OpenNamespace(init, "user"));
  // The host's /proc, seen from inside: the limit is then the container's.
  const UniqueFd limits(open("/proc/sys/user", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!limits) return ErrnoStatus(errno, "secure the container", "/proc/sys/user");
  return InChild("secure the container", [&]() -> Failure {
    if (setns(mounts.get(), CLONE_NEWNS) != 0) return Fail("its mounts");
    if (const Failure hidden = HideTheHost(); hidden.error != 0) return hidden;
    if (setns(users.get(), CLONE_NEWUSER) != 0) return Fail("its users");
    const int limit = openat(limits.get(), "max_user_namespaces", O_WRONLY | O_CLOEXEC);
    if (limit < 0 || write(limit, "0", 1) != 1) return Fail("max_user_namespaces");
    return {};
  });
}

absl::Status AttachTree(pid_t init, const UniqueFd& tree, const char* target, const IdRange& ids) {
  RW_ASSIGN_OR_RETURN(const UniqueFd mounts, OpenNamespace(init, "mnt"));
  const std::string run_options = absl::StrCat("mode=755,uid=", ids.first, ",gid=", ids.first);
  return InChild("attach a tree", [&]() -> Failure {
    if (setns(mounts.get(), CLONE_NEWNS) != 0) return Fail("its mounts");
    return Attach(tree.get(), target, run_options.c_str(), ids);
  });
}

absl::Status AttachInputs(pid_t init, const UniqueFd& tree, const std::string& target, const IdRange& ids) {
  const std::vector<std::string> names = absl::StrSplit(target, '/', absl::SkipEmpty());
  if (names.empty() || target[0] != '/')
    return absl::InvalidArgumentError(absl::StrCat("attach inputs: ", target, ": not a place for them"));
  RW_ASSIGN_OR_RETURN(const UniqueFd mounts, OpenNamespace(init, "mnt"));
  return InChild("attach inputs", [&]() -> Failure {
    if (setns(mounts.get(), CLONE_NEWNS) != 0) return Fail("its mounts");
    return AttachAt(tree.get(), names, ids);
  });
}

absl::StatusOr<pid_t> FindFirstProcess(pid_t holder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    const absl::StatusOr<std::string> stat = ReadFile(entry.path() / "stat");
    if (!stat.ok()) continue;
    // The name may hold anything, parentheses too: the fields start after the last one.
    const size_t name_end = stat->rfind(')');
    char state = 0;
    pid_t parent = 0;
    if (name_end == std::string::npos ||
        std::sscanf(stat->c_str() + name_end + 1, " %c %d", &state, &parent) != 2) {
      continue;
    }
    if (parent == holder && state != 'Z') return pid;
  }
  return absl::NotFoundError(absl::StrCat("find the first process of container ", holder, ": there is none"));
}

}  // namespace rootwright
