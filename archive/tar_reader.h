#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "archive/tar_entry.h"
#include "base/unique_fd.h"

struct archive;

namespace rootwright {

// Reads tar archives (ustar, pax, GNU), plain or compressed, entry by entry. What it reads
// is not trusted: DataLoss for anything damaged, and names are passed on as they stand.
// One thread at a time; `name` starts every message.
class TarReader {
 public:
  enum class Compression { kNone, kAny };

  // Reads `size` bytes of the file from `offset` on; size -1: to its end. The descriptor
  // stays the caller's, its position is not used.
  static absl::StatusOr<TarReader> OfFile(int fd, int64_t offset, int64_t size, Compression compression,
                                          std::string name);
  // The bytes must outlive the reader.
  static absl::StatusOr<TarReader> OfBytes(absl::string_view bytes, Compression compression,
                                           std::string name);

  TarReader(TarReader&&) noexcept;
  TarReader& operator=(TarReader&&) noexcept;
  ~TarReader();

  // Steps to the next entry; false at the end.
  absl::StatusOr<bool> Next(TarEntry& entry);

  // Content of the current file, from where the last call ended; 0 at its end. Holes come
  // as zeros, so limits have to be kept by counting.
  absl::StatusOr<size_t> Read(std::span<char> into);

  // Bytes of the file, as it is stored, that have been read so far; 0 for bytes in memory.
  int64_t position() const;

  const std::string& name() const { return name_; }

 private:
  struct Source;
  TarReader(std::string name);
  absl::Status Open(Compression compression);
  absl::Status Damaged(absl::string_view what) const;

  std::string name_;
  std::unique_ptr<Source> source_;
  archive* archive_ = nullptr;
};

// A tar name as TarEntry::path wants it.
std::string NormalTarPath(absl::string_view name);

}  // namespace rootwright
