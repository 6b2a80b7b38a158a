#include "vmimages/machine_root.h"

#include <sys/stat.h>

#include <array>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// What a maintainer script would copy.
struct Copy {
  const char* from;
  const char* to;
};
constexpr std::array<Copy, 5> kCopies = {{
    {"usr/share/base-passwd/passwd.master", "etc/passwd"},
    {"usr/share/base-passwd/group.master", "etc/group"},
    {"usr/share/base-files/profile", "etc/profile"},
    {"usr/share/base-files/dot.profile", "root/.profile"},
    {"usr/share/base-files/dot.bashrc", "root/.bashrc"},
}};

struct Text {
  const char* path;
  const char* content;
};
constexpr std::array<Text, 6> kTexts = {{
    {"etc/hostname", "rootwright\n"},
    {"etc/hosts", "127.0.0.1\tlocalhost rootwright\n::1\tlocalhost\n"},
    {"etc/resolv.conf", ""},
    {"etc/fstab", ""},
    // Empty means: not yet known, found at boot.
    {"etc/machine-id", ""},
    {"etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"},
}};

// Where the alternatives system would have put a link.
constexpr std::array<Copy, 3> kLinks = {{
    {"mawk", "usr/bin/awk"},
    {"dash", "usr/bin/sh"},
    {"../proc/self/mounts", "etc/mtab"},
}};

struct Folder {
  const char* path;
  mode_t mode;
};
constexpr std::array<Folder, 9> kFolders = {{
    {"root", 0700},
    {"tmp", 01777},
    {"var/tmp", 01777},
    {"proc", 0555},
    {"sys", 0555},
    {"dev", 0755},
    {"run", 0755},
    {"mnt", 0755},
    // The top: unpacking with a private umask must not shut it.
    {"", 0755},
}};

constexpr std::array<const char*, 5> kUnread = {"usr/share/doc", "usr/share/man", "usr/share/info",
                                                "usr/share/locale", "usr/share/lintian"};

absl::Status Link(const fs::path& tree, const Copy& link) {
  const fs::path path = tree / link.to;
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error))) return absl::OkStatus();
  fs::create_symlink(link.from, path, error);
  if (error) return ErrnoStatus(error.value(), "make link", path.string());
  return absl::OkStatus();
}

absl::Status SetFolder(const fs::path& path, mode_t mode) {
  RW_RETURN_IF_ERROR(MakeFolders(path));
  if (chmod(path.c_str(), mode) != 0) return ErrnoStatus(errno, "set the mode of", path.string());
  return absl::OkStatus();
}

}  // namespace

absl::Status FinishMachineRoot(const fs::path& tree) {
  for (const Folder& folder : kFolders) RW_RETURN_IF_ERROR(SetFolder(tree / folder.path, folder.mode));
  for (const Copy& copy : kCopies) {
    RW_ASSIGN_OR_RETURN(const std::string content, ReadFile(tree / copy.from));
    RW_RETURN_IF_ERROR(WriteFileAtomically(tree / copy.to, content));
  }
  for (const Text& text : kTexts) RW_RETURN_IF_ERROR(WriteFileAtomically(tree / text.path, text.content));
  for (const Copy& link : kLinks) RW_RETURN_IF_ERROR(Link(tree, link));
  for (const char* unread : kUnread) {
    std::error_code error;
    fs::remove_all(tree / unread, error);
    if (error) return ErrnoStatus(error.value(), "remove", (tree / unread).string());
  }
  return absl::OkStatus();
}

}  // namespace rootwright
