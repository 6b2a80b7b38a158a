#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace rootwright {

enum class PackFormat { kTarZst, kTar, kTarGz };

struct PackOptions {
  PackFormat format = PackFormat::kTarZst;
  // Times after it become this one, as SOURCE_DATE_EPOCH wants it; whole seconds.
  absl::Time source_date = absl::InfiniteFuture();
  int zstd_level = 3;
  // That compress; the archive does not depend on their number as long as it is not 0.
  int threads = 2;
};

struct PackResult {
  // Of the archive.
  int64_t size_bytes = 0;
  // Of the archive: 64 lower-case hexadecimal digits.
  std::string sha256;
  int64_t entries = 0;
  // Of all files in it, before compression.
  int64_t content_bytes = 0;
  // One line each, e.g. about a socket that was left out.
  std::vector<std::string> warnings;
};

// Called from the calling thread every few MiB: content bytes read so far, and where it is.
using PackProgress = std::function<void(int64_t content_bytes, absl::string_view path)>;

// Versions of the libraries that pack: {"libarchive", "3.6.2"}, {"libzstd", "1.5.4"}, …
std::map<std::string, std::string> ArchiveTools();

// Packs a folder with all it holds into one archive. The same tree and options give the same
// bytes: names in byte order, numbers for owners and no names, times in whole seconds and
// not past source_date. Modes, hard links, devices, security.capability and user.*
// attributes are kept; sockets are left out with a warning. Symlinks are packed, never
// followed.
//
// `archive` is there only once it is whole and on the disk: an error, also a crash, leaves
// no file of that name, or the one that was there before. FailedPrecondition when a file
// changes meanwhile; ResourceExhausted when the disk is full.
absl::StatusOr<PackResult> PackTree(const std::filesystem::path& tree, const std::filesystem::path& archive,
                                    const PackOptions& options, const PackProgress& progress,
                                    Deadline deadline, std::stop_token stop);

}  // namespace rootwright
