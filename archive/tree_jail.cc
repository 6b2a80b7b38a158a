#include "archive/tree_jail.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/status.h"

namespace rootwright {
namespace {

constexpr int kKept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SETFCAP};

absl::Status DropCapabilities() {
  uint64_t kept = 0;
  for (const int capability : kKept) kept |= uint64_t{1} << capability;
  for (int capability = 0; capability < 64; ++capability) {
    if ((kept >> capability & 1) != 0) continue;
    // EINVAL: the kernel does not know so many.
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
      return ErrnoStatus(errno, "drop capabilities", "bounding set");
    }
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  for (int half = 0; half < 2; ++half) {
    sets[half].effective = sets[half].permitted = static_cast<uint32_t>(kept >> (32 * half));
  }
  if (syscall(SYS_capset, &header, sets) != 0) return ErrnoStatus(errno, "drop capabilities", "capset");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return ErrnoStatus(errno, "drop capabilities", "no_new_privs");
  return absl::OkStatus();
}

}  // namespace

absl::Status EnterTreeJail(const std::filesystem::path& tree) {
  const char* at = tree.c_str();
  if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
    return ErrnoStatus(errno, "make namespaces", tree.string());
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount(at, at, nullptr, MS_BIND, nullptr) != 0 ||
      mount(nullptr, at, nullptr, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return ErrnoStatus(errno, "mount the tree", tree.string());
  }
  // With the same folder for both the old root comes to lie over the new one, and the
  // lazy unmount takes it away (pivot_root(2)).
  if (chdir(at) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
      chdir("/") != 0) {
    return ErrnoStatus(errno, "enter the tree", tree.string());
  }
  umask(0);
  return DropCapabilities();
}

}  // namespace rootwright
