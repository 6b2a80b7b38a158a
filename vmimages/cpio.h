#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace rootwright {

// Writes a cpio archive in the "newc" format, the one that Linux unpacks as its initial file
// system (Documentation/driver-api/early-userspace/buffer-format.rst). Everything belongs to
// root and has time 0, so equal content gives equal bytes. Kept in memory: an initrd of ours
// has a few megabytes. One thread at a time; nothing here can fail.
class CpioWriter {
 public:
  // Paths are relative, without "./" in front; a folder comes before what is in it.
  // `mode` has the permission bits only.
  void AddFolder(absl::string_view path, uint32_t mode);
  void AddFile(absl::string_view path, uint32_t mode, absl::string_view content);
  void AddSymlink(absl::string_view path, absl::string_view target);
  void AddCharacterDevice(absl::string_view path, uint32_t mode, uint32_t device_major,
                          uint32_t device_minor);

  // Ends the archive and gives it away, padded to whole blocks of 512 bytes. Last call.
  std::string Finish();

 private:
  struct Entry {
    absl::string_view path;
    // With the type bits of stat(2).
    uint32_t mode = 0;
    uint32_t links = 1;
    uint32_t device_major = 0;
    uint32_t device_minor = 0;
    absl::string_view content;
  };
  void Add(const Entry& entry);
  void PadTo(size_t multiple);

  std::string archive_;
  uint32_t next_inode_ = 1;
};

}  // namespace rootwright
