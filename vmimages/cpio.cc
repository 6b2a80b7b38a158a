#include "vmimages/cpio.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_format.h"

namespace rootwright {

void CpioWriter::AddFolder(absl::string_view path, uint32_t mode) {
  Add({.path = path, .mode = S_IFDIR | mode, .links = 2, .content = {}});
}

void CpioWriter::AddFile(absl::string_view path, uint32_t mode, absl::string_view content) {
  Add({.path = path, .mode = S_IFREG | mode, .content = content});
}

void CpioWriter::AddSymlink(absl::string_view path, absl::string_view target) {
  Add({.path = path, .mode = S_IFLNK | 0777, .content = target});
}

void CpioWriter::AddCharacterDevice(absl::string_view path, uint32_t mode, uint32_t device_major,
                                    uint32_t device_minor) {
  Add({.path = path,
       .mode = S_IFCHR | mode,
       .device_major = device_major,
       .device_minor = device_minor,
       .content = {}});
}

std::string CpioWriter::Finish() {
  next_inode_ = 0;
  Add({.path = "TRAILER!!!", .content = {}});
  PadTo(512);
  return std::exchange(archive_, {});
}

void CpioWriter::Add(const Entry& entry) {
  // Magic, inode, mode, uid, gid, links, mtime, size, device of the file system (major, minor),
  // device that it is (major, minor), size of the name with its NUL, checksum.
  absl::StrAppendFormat(&archive_, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
                        next_inode_++, entry.mode, 0, 0, entry.links, 0, entry.content.size(), 0, 0,
                        entry.device_major, entry.device_minor, entry.path.size() + 1, 0);
  archive_.append(entry.path.data(), entry.path.size());
  archive_.push_back('\0');
  PadTo(4);
  archive_.append(entry.content.data(), entry.content.size());
  PadTo(4);
}

void CpioWriter::PadTo(size_t multiple) {
  archive_.resize((archive_.size() + multiple - 1) / multiple * multiple, '\0');
}

}  // namespace rootwright
