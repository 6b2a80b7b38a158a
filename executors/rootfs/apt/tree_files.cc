#include "executors/rootfs/apt/tree_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "executors/rootfs/rootfs_state.h"

namespace rootwright {
namespace {

struct Device {
  const char* name;
  unsigned major;
  unsigned minor;
};
constexpr std::array<Device, 8> kDevices = {{{"console", 5, 1},
                                             {"full", 1, 7},
                                             {"null", 1, 3},
                                             {"ptmx", 5, 2},
                                             {"random", 1, 8},
                                             {"tty", 5, 0},
                                             {"urandom", 1, 9},
                                             {"zero", 1, 5}}};

struct Link {
  const char* name;
  const char* target;
};
constexpr std::array<Link, 4> kLinks = {{{"fd", "/proc/self/fd"},
                                         {"stderr", "/proc/self/fd/2"},
                                         {"stdin", "/proc/self/fd/0"},
                                         {"stdout", "/proc/self/fd/1"}}};

absl::Status AddDevices(const std::filesystem::path& tree) {
  const std::filesystem::path path = tree / "dev";
  RW_RETURN_IF_ERROR(MakeFolders(path));
  const UniqueFd dev(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dev) return ErrnoStatus(errno, "open", path.string());
  for (const Device& device : kDevices) {
    if (mknodat(dev.get(), device.name, S_IFCHR | 0666, makedev(device.major, device.minor)) != 0 &&
        errno != EEXIST) {
      return ErrnoStatus(errno, "make device", (path / device.name).string());
    }
    // Whatever the umask is.
    if (fchmodat(dev.get(), device.name, 0666, 0) != 0)
      return ErrnoStatus(errno, "set the mode of", device.name);
  }
  for (const Link& link : kLinks) {
    if (symlinkat(link.target, dev.get(), link.name) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "make link", (path / link.name).string());
    }
  }
  for (const char* folder : {"pts", "shm"}) {
    if (mkdirat(dev.get(), folder, 0755) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "make folder", (path / folder).string());
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddTreeFiles(const std::filesystem::path& tree, const AptSettings& settings,
                          const std::string& mirror) {
  RW_RETURN_IF_ERROR(AddDevices(tree));
  RW_RETURN_IF_ERROR(MakeFolders(tree / "etc/apt"));
  RW_RETURN_IF_ERROR(WriteFileAtomically(
      tree / "etc/apt/sources.list",
      absl::StrCat("deb ", mirror, " ", settings.suite, " ", absl::StrJoin(settings.components, " "), "\n")));
  RW_RETURN_IF_ERROR(MakeFolders((tree / kPolicyPath).parent_path()));
  RW_RETURN_IF_ERROR(WriteFileAtomically(tree / kPolicyPath, kPolicy, 0755));
  return MakeFolders(tree / kTreeWorkFolder);
}

}  // namespace rootwright
