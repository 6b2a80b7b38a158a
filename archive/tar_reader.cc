#include "archive/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "archive/utf8_locale.h"
#include "base/status.h"

namespace rootwright {

// Where the bytes come from: a piece of a file, read into a buffer.
struct TarReader::Source {
  int fd = -1;
  int64_t at = 0;
  // -1: until the file ends.
  int64_t left = -1;
  std::vector<char> buffer;
  absl::string_view bytes;

  static la_ssize_t Read(archive* reader, void* self, const void** block) {
    auto& source = *static_cast<Source*>(self);
    const size_t wanted =
        source.left < 0
            ? source.buffer.size()
            : static_cast<size_t>(std::min<int64_t>(source.left, static_cast<int64_t>(source.buffer.size())));
    ssize_t got = 0;
    do {
      got = pread(source.fd, source.buffer.data(), wanted, source.at);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      archive_set_error(reader, errno, "cannot read");
      return -1;
    }
    source.at += got;
    if (source.left >= 0) source.left -= got;
    *block = source.buffer.data();
    return got;
  }
};

namespace {

absl::string_view OrEmpty(const char* text) {
  return text == nullptr ? absl::string_view() : absl::string_view(text);
}

// False for kinds that no root filesystem's archive has.
bool SetKind(archive_entry* from, TarEntry& entry) {
  if (archive_entry_hardlink(from) != nullptr || archive_entry_hardlink_utf8(from) != nullptr) {
    entry.kind = TarEntry::Kind::kHardlink;
    return true;
  }
  switch (archive_entry_filetype(from)) {
    case AE_IFREG:
      entry.kind = TarEntry::Kind::kFile;
      return true;
    case AE_IFDIR:
      entry.kind = TarEntry::Kind::kFolder;
      return true;
    case AE_IFLNK:
      entry.kind = TarEntry::Kind::kSymlink;
      return true;
    case AE_IFCHR:
      entry.kind = TarEntry::Kind::kCharDevice;
      return true;
    case AE_IFBLK:
      entry.kind = TarEntry::Kind::kBlockDevice;
      return true;
    case AE_IFIFO:
      entry.kind = TarEntry::Kind::kFifo;
      return true;
    default:
      return false;
  }
}

void SetExtendedAttributes(archive_entry* from, TarEntry& entry) {
  entry.xattrs.clear();
  archive_entry_xattr_reset(from);
  const char* key = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  while (archive_entry_xattr_next(from, &key, &value, &size) == ARCHIVE_OK) {
    if (key != nullptr) entry.xattrs[key] = std::string(static_cast<const char*>(value), size);
  }
}

}  // namespace

std::string NormalTarPath(absl::string_view name) {
  std::string path;
  path.reserve(name.size());
  if (!name.empty() && name.front() == '/') path += '/';
  for (size_t at = 0; at < name.size();) {
    const size_t end = std::min(name.find('/', at), name.size());
    const absl::string_view part = name.substr(at, end - at);
    if (!part.empty() && part != ".") {
      if (!path.empty() && path.back() != '/') path += '/';
      path.append(part.data(), part.size());
    }
    at = end + 1;
  }
  return path;
}

TarReader::TarReader(std::string name) : name_(std::move(name)), source_(std::make_unique<Source>()) {}

TarReader::TarReader(TarReader&& other) noexcept
    : name_(std::move(other.name_)),
      source_(std::move(other.source_)),
      archive_(std::exchange(other.archive_, nullptr)) {}

TarReader& TarReader::operator=(TarReader&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(source_, other.source_);
  std::swap(archive_, other.archive_);
  return *this;
}

TarReader::~TarReader() {
  if (archive_ != nullptr) archive_read_free(archive_);
}

absl::Status TarReader::Damaged(absl::string_view what) const {
  return absl::DataLossError(absl::StrCat(what, ": ", name_, ": ", OrEmpty(archive_error_string(archive_))));
}

absl::Status TarReader::Open(Compression compression) {
  const Utf8Locale utf8;
  archive_ = archive_read_new();
  if (archive_ == nullptr)
    return absl::ResourceExhaustedError(absl::StrCat("read: ", name_, ": out of memory"));
  archive_read_support_format_tar(archive_);
  archive_read_support_format_empty(archive_);
  if (compression == Compression::kAny) {
    archive_read_support_filter_xz(archive_);
    archive_read_support_filter_gzip(archive_);
    archive_read_support_filter_zstd(archive_);
    archive_read_support_filter_lzma(archive_);
    archive_read_support_filter_bzip2(archive_);
  }
  const int opened = source_->fd >= 0
                         ? archive_read_open(archive_, source_.get(), nullptr, &Source::Read, nullptr)
                         : archive_read_open_memory(archive_, source_->bytes.data(), source_->bytes.size());
  if (opened != ARCHIVE_OK) return Damaged("open the archive");
  return absl::OkStatus();
}

absl::StatusOr<TarReader> TarReader::OfFile(int fd, int64_t offset, int64_t size, Compression compression,
                                            std::string name) {
  TarReader reader(std::move(name));
  reader.source_->fd = fd;
  reader.source_->at = offset;
  reader.source_->left = size;
  reader.source_->buffer.resize(256 << 10);
  RW_RETURN_IF_ERROR(reader.Open(compression));
  return reader;
}

absl::StatusOr<TarReader> TarReader::OfBytes(absl::string_view bytes, Compression compression,
                                             std::string name) {
  TarReader reader(std::move(name));
  reader.source_->bytes = bytes;
  RW_RETURN_IF_ERROR(reader.Open(compression));
  return reader;
}

int64_t TarReader::position() const { return source_->at; }

absl::StatusOr<bool> TarReader::Next(TarEntry& entry) {
  const Utf8Locale utf8;
  archive_entry* from = nullptr;
  const int got = archive_read_next_header(archive_, &from);
  if (got == ARCHIVE_EOF) return false;
  if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return Damaged("read the archive");
  const char* path = archive_entry_pathname(from);
  if (path == nullptr) path = archive_entry_pathname_utf8(from);
  if (path == nullptr) return Damaged("read the name of an entry");
  entry.path = NormalTarPath(path);
  if (!SetKind(from, entry)) {
    return absl::DataLossError(
        absl::StrCat("read the archive: ", name_, ": entry of an unknown kind: ", path));
  }
  entry.target.clear();
  if (entry.kind == TarEntry::Kind::kHardlink) {
    const char* target = archive_entry_hardlink(from);
    entry.target = NormalTarPath(OrEmpty(target != nullptr ? target : archive_entry_hardlink_utf8(from)));
  } else if (entry.kind == TarEntry::Kind::kSymlink) {
    const char* target = archive_entry_symlink(from);
    entry.target = std::string(OrEmpty(target != nullptr ? target : archive_entry_symlink_utf8(from)));
    if (entry.target.empty()) return Damaged("read the target of a symlink");
  }
  entry.mode = archive_entry_perm(from);
  entry.uid = static_cast<uid_t>(archive_entry_uid(from));
  entry.gid = static_cast<gid_t>(archive_entry_gid(from));
  entry.mtime = archive_entry_mtime(from);
  entry.size = entry.kind == TarEntry::Kind::kFile ? archive_entry_size(from) : 0;
  entry.device = archive_entry_rdev(from);
  SetExtendedAttributes(from, entry);
  return true;
}

absl::StatusOr<size_t> TarReader::Read(std::span<char> into) {
  const la_ssize_t got = archive_read_data(archive_, into.data(), into.size());
  if (got < 0) return Damaged("read the archive");
  return static_cast<size_t>(got);
}

}  // namespace rootwright
