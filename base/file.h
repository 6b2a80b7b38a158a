#pragma once

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// The whole file. ResourceExhausted when it is larger than max_bytes.
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, int64_t max_bytes = 64 << 20);

// Writes beside the file and renames over it: a reader sees the old or the new whole,
// also after a crash.
absl::Status WriteFileAtomically(const std::filesystem::path& path, absl::string_view content,
                                 int mode = 0644);

// Writes all of it to the descriptor; `path` stands in the error.
absl::Status WriteAll(int fd, absl::string_view content, const std::filesystem::path& path);

// Makes a folder and those above it.
absl::Status MakeFolders(const std::filesystem::path& path);

// Has the folder's own entries (new files, renames) on the disk when it returns.
absl::Status SyncFolder(const std::filesystem::path& folder);

// A new folder below `parent`, named prefix plus six characters; removed with all it holds
// when the object goes.
class ScopedFolder {
 public:
  static absl::StatusOr<ScopedFolder> Create(const std::filesystem::path& parent, absl::string_view prefix);
  ScopedFolder(ScopedFolder&& other) noexcept;
  ScopedFolder& operator=(ScopedFolder&& other) noexcept;
  ~ScopedFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit ScopedFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Disk that the folder and all below it take, holes left out. What comes and goes meanwhile may be counted or
// not.
absl::StatusOr<int64_t> AllocatedBytes(const std::filesystem::path& folder);

// Bytes that an unprivileged writer could still put on the file system that holds `path`.
absl::StatusOr<int64_t> FreeBytes(const std::filesystem::path& path);

}  // namespace rootwright
