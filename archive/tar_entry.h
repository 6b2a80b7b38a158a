#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

namespace rootwright {

// One entry of a tar archive, in our own terms.
struct TarEntry {
  enum class Kind { kFile, kFolder, kSymlink, kHardlink, kCharDevice, kBlockDevice, kFifo };

  Kind kind = Kind::kFile;
  // Relative, without "./", "//", a slash at either end; empty: the root folder itself. A reader lets ".."
  // and absolute names through as they are: TreeWriter refuses them.
  std::string path;
  // Of a symlink its text, of a hard link the other entry's path.
  std::string target;
  // Permission bits, set-id and sticky bits included.
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  // Seconds since 1970.
  int64_t mtime = 0;
  // Of a file's content, in bytes.
  int64_t size = 0;
  // Of a device.
  dev_t device = 0;
  std::map<std::string, std::string> xattrs;
};

}  // namespace rootwright
