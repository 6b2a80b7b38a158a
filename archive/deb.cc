#include "archive/deb.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr char kMagic[] = "!<arch>\n";
constexpr int64_t kMagicSize = 8;
constexpr int64_t kHeaderSize = 60;
constexpr int kMostMembers = 64;
constexpr int64_t kMostControl = 64 << 20;

// As many bytes as there are, up to `size`.
absl::StatusOr<std::string> ReadAt(int fd, int64_t offset, int64_t size, const std::string& name) {
  std::string bytes(static_cast<size_t>(size), '\0');
  size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t now = pread(fd, bytes.data() + got, bytes.size() - got, offset + static_cast<int64_t>(got));
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return ErrnoStatus(errno, "read the package", name);
    if (now == 0) break;
    got += static_cast<size_t>(now);
  }
  bytes.resize(got);
  return bytes;
}

absl::Status NotADeb(const std::string& name, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("read the package: ", name, ": ", why));
}

}  // namespace

absl::StatusOr<DebFile> DebFile::Open(int fd, std::string name) {
  DebFile deb(fd, std::move(name));
  struct stat found {};
  if (fstat(fd, &found) != 0) return ErrnoStatus(errno, "look at the package", deb.name_);
  RW_ASSIGN_OR_RETURN(const std::string magic, ReadAt(fd, 0, kMagicSize, deb.name_));
  if (magic != kMagic) return NotADeb(deb.name_, "not a Debian package");
  int64_t at = kMagicSize;
  for (int i = 0; i < kMostMembers && at < found.st_size; ++i) {
    RW_ASSIGN_OR_RETURN(const std::string header, ReadAt(fd, at, kHeaderSize, deb.name_));
    int64_t size = 0;
    if (static_cast<int64_t>(header.size()) < kHeaderSize || !absl::EndsWith(header, "`\n") ||
        !absl::SimpleAtoi(absl::string_view(header).substr(48, 10), &size) || size < 0) {
      return NotADeb(deb.name_, "damaged ar header");
    }
    const int64_t body = at + kHeaderSize;
    if (size > found.st_size - body) return NotADeb(deb.name_, "truncated");
    const absl::string_view member =
        absl::StripSuffix(absl::StripTrailingAsciiWhitespace(absl::string_view(header).substr(0, 16)), "/");
    if (i == 0 && member != "debian-binary") return NotADeb(deb.name_, "does not start with debian-binary");
    if (i == 0) {
      RW_ASSIGN_OR_RETURN(const std::string version, ReadAt(fd, body, std::min<int64_t>(size, 8), deb.name_));
      if (!absl::StartsWith(version, "2.")) return NotADeb(deb.name_, "not format 2");
    }
    if (absl::StartsWith(member, "control.tar") && deb.control_.size < 0) deb.control_ = {body, size};
    if (absl::StartsWith(member, "data.tar") && deb.data_.size < 0) deb.data_ = {body, size};
    at = body + size + size % 2;
  }
  if (deb.control_.size < 0 || deb.data_.size < 0)
    return NotADeb(deb.name_, "has no control.tar or no data.tar");
  return deb;
}

absl::StatusOr<std::map<std::string, DebControlFile>> DebFile::ReadControl() const {
  RW_ASSIGN_OR_RETURN(TarReader reader, TarReader::OfFile(fd_, control_.offset, control_.size,
                                                          TarReader::Compression::kAny, name_));
  std::map<std::string, DebControlFile> files;
  TarEntry entry;
  int64_t total = 0;
  std::vector<char> buffer(64 << 10);
  for (;;) {
    RW_ASSIGN_OR_RETURN(const bool more, reader.Next(entry));
    if (!more) break;
    if (entry.kind != TarEntry::Kind::kFile) continue;
    DebControlFile& file = files[entry.path];
    file.mode = entry.mode;
    file.content.clear();
    for (;;) {
      RW_ASSIGN_OR_RETURN(const size_t got, reader.Read(buffer));
      if (got == 0) break;
      total += static_cast<int64_t>(got);
      if (total > kMostControl) return NotADeb(name_, "control archive larger than 64 MiB");
      file.content.append(buffer.data(), got);
    }
  }
  if (!files.contains("control")) return NotADeb(name_, "its control archive has no control file");
  return files;
}

absl::StatusOr<TarReader> DebFile::ReadData() const {
  return TarReader::OfFile(fd_, data_.offset, data_.size, TarReader::Compression::kAny, name_);
}

}  // namespace rootwright
