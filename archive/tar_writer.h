#pragma once

#include <functional>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "archive/tar_entry.h"

struct archive;
struct archive_entry;

namespace rootwright {

// Writes a tar archive: ustar headers, and pax ones only where an entry needs them. The
// bytes depend on nothing but the entries. One thread.
class TarWriter {
 public:
  using Sink = std::function<absl::Status(absl::string_view)>;

  static absl::StatusOr<std::unique_ptr<TarWriter>> Create(Sink sink);
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;
  ~TarWriter();

  absl::Status Add(const TarEntry& entry);
  // Exactly entry.size bytes have to follow a file, in any pieces.
  absl::Status Write(absl::string_view content);
  // Without it the archive has no end and says so to every reader.
  absl::Status Close();

 private:
  explicit TarWriter(Sink sink);
  absl::Status Failed(absl::string_view what) const;
  static ssize_t OnBytes(archive* writer, void* self, const void* bytes, size_t size);

  Sink sink_;
  // The first error of the sink, which libarchive only knows as "failed".
  absl::Status sink_status_;
  archive* archive_ = nullptr;
  archive_entry* entry_ = nullptr;
};

}  // namespace rootwright
