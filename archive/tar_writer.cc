#include "archive/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "archive/utf8_locale.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr int kBlock = 64 << 10;

__LA_MODE_T FileType(TarEntry::Kind kind) {
  switch (kind) {
    case TarEntry::Kind::kFolder:
      return AE_IFDIR;
    case TarEntry::Kind::kSymlink:
      return AE_IFLNK;
    case TarEntry::Kind::kCharDevice:
      return AE_IFCHR;
    case TarEntry::Kind::kBlockDevice:
      return AE_IFBLK;
    case TarEntry::Kind::kFifo:
      return AE_IFIFO;
    case TarEntry::Kind::kFile:
    case TarEntry::Kind::kHardlink:
      break;
  }
  return AE_IFREG;
}

}  // namespace

TarWriter::TarWriter(Sink sink) : sink_(std::move(sink)) {}

TarWriter::~TarWriter() {
  if (entry_ != nullptr) archive_entry_free(entry_);
  if (archive_ == nullptr) return;
  // A half archive must not be finished by freeing it.
  sink_ = [](absl::string_view) { return absl::OkStatus(); };
  archive_write_free(archive_);
}

absl::StatusOr<std::unique_ptr<TarWriter>> TarWriter::Create(Sink sink) {
  std::unique_ptr<TarWriter> writer(new TarWriter(std::move(sink)));
  writer->archive_ = archive_write_new();
  writer->entry_ = archive_entry_new();
  if (writer->archive_ == nullptr || writer->entry_ == nullptr) {
    return absl::ResourceExhaustedError("write a tar archive: out of memory");
  }
  archive* out = writer->archive_;
  const bool ok = archive_write_set_format_pax_restricted(out) == ARCHIVE_OK &&
                  archive_write_set_format_option(out, "pax", "xattrheader", "SCHILY") == ARCHIVE_OK &&
                  archive_write_set_bytes_per_block(out, kBlock) == ARCHIVE_OK &&
                  archive_write_set_bytes_in_last_block(out, 1) == ARCHIVE_OK &&
                  archive_write_open(out, writer.get(), nullptr, &TarWriter::OnBytes, nullptr) == ARCHIVE_OK;
  if (!ok) return writer->Failed("start");
  return writer;
}

ssize_t TarWriter::OnBytes(archive* writer, void* self, const void* bytes, size_t size) {
  auto& to = *static_cast<TarWriter*>(self);
  const absl::Status status = to.sink_(absl::string_view(static_cast<const char*>(bytes), size));
  if (status.ok()) return static_cast<ssize_t>(size);
  to.sink_status_.Update(status);
  archive_set_error(writer, -1, "cannot write");
  return -1;
}

absl::Status TarWriter::Failed(absl::string_view what) const {
  RW_RETURN_IF_ERROR(sink_status_);
  const char* why = archive_error_string(archive_);
  return absl::InternalError(
      absl::StrCat("write a tar archive: ", what, ": ", why == nullptr ? "failed" : why));
}

absl::Status TarWriter::Add(const TarEntry& entry) {
  const Utf8Locale utf8;
  archive_entry_clear(entry_);
  const std::string path = entry.path.empty() ? "./" : entry.path;
  archive_entry_copy_pathname(entry_, path.c_str());
  archive_entry_set_filetype(entry_, FileType(entry.kind));
  archive_entry_set_perm(entry_, entry.mode & 07777);
  archive_entry_set_uid(entry_, entry.uid);
  archive_entry_set_gid(entry_, entry.gid);
  archive_entry_set_mtime(entry_, static_cast<time_t>(entry.mtime), 0);
  archive_entry_set_size(entry_, entry.size);
  if (entry.kind == TarEntry::Kind::kSymlink) archive_entry_copy_symlink(entry_, entry.target.c_str());
  if (entry.kind == TarEntry::Kind::kHardlink) archive_entry_copy_hardlink(entry_, entry.target.c_str());
  if (entry.kind == TarEntry::Kind::kCharDevice || entry.kind == TarEntry::Kind::kBlockDevice) {
    archive_entry_set_rdev(entry_, entry.device);
  }
  for (const auto& [key, value] : entry.xattrs) {
    archive_entry_xattr_add_entry(entry_, key.c_str(), value.data(), value.size());
  }
  const int got = archive_write_header(archive_, entry_);
  // A warning is about a name that is not UTF-8: it is kept as it is, marked as binary.
  if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return Failed(path);
  return absl::OkStatus();
}

absl::Status TarWriter::Write(absl::string_view content) {
  const la_ssize_t put = archive_write_data(archive_, content.data(), content.size());
  if (put != static_cast<la_ssize_t>(content.size())) return Failed("content");
  return absl::OkStatus();
}

absl::Status TarWriter::Close() {
  if (archive_write_close(archive_) != ARCHIVE_OK) return Failed("end");
  return sink_status_;
}

}  // namespace rootwright
