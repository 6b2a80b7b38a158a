#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "archive/tar_reader.h"

namespace rootwright {

// A file of a package's control archive.
struct DebControlFile {
  std::string content;
  mode_t mode = 0644;
};

// A Debian binary package (deb(5), format 2.x): an ar archive of debian-binary,
// control.tar.* and data.tar.*. Borrows the descriptor; reads with pread, so that several
// may read one file. DataLoss names the package when it is damaged; nothing in it is trusted.
class DebFile {
 public:
  static absl::StatusOr<DebFile> Open(int fd, std::string name);

  // By name without "./": "control", "conffiles", "postinst". At most 64 MiB altogether.
  absl::StatusOr<std::map<std::string, DebControlFile>> ReadControl() const;
  // The files of the package, compressed as they come.
  absl::StatusOr<TarReader> ReadData() const;

  // Of the compressed files, in bytes.
  int64_t data_size() const { return data_.size; }
  const std::string& name() const { return name_; }

 private:
  struct Member {
    int64_t offset = 0;
    int64_t size = -1;
  };
  DebFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  int fd_;
  std::string name_;
  Member control_;
  Member data_;
};

}  // namespace rootwright
