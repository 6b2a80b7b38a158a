#include "base/file.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
absl::StatusOr<std::string> ReadFile(const std::filesystem::path& path, int64_t max_bytes) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", path.string());
  std::string content;
  char buffer[65536];
  for (;;) {
    const ssize_t got = read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path.string());
    if (got == 0) return content;
    content.append(buffer, static_cast<size_t>(got));
    if (static_cast<int64_t>(content.size()) > max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("read: ", path.string(), ": larger than ", max_bytes, " bytes"));
    }
  }
}

absl::Status WriteAll(int fd, absl::string_view content, const std::filesystem::path& path) {
  while (!content.empty()) {
    const ssize_t put = write(fd, content.data(), content.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(errno, "write", path.string());
    content.remove_prefix(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomically(const std::filesystem::path& path, absl::string_view content, int mode) {
  std::string temporary = absl::StrCat(path.string(), ".XXXXXX");
  const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "create", temporary);
  absl::Status status = WriteAll(fd.get(), content, path);
  if (status.ok() && fchmod(fd.get(), static_cast<mode_t>(mode)) != 0)
    status = ErrnoStatus(errno, "set the mode of", path.string());
  if (status.ok() && fsync(fd.get()) != 0) status = ErrnoStatus(errno, "sync", path.string());
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0)
    status = ErrnoStatus(errno, "rename to", path.string());
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::Status MakeFolders(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return ErrnoStatus(error.value(), "make folder", path.string());
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::filesystem::path& folder) {
  const UniqueFd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", folder.string());
  if (fsync(fd.get()) != 0) return ErrnoStatus(errno, "sync", folder.string());
  return absl::OkStatus();
}

absl::StatusOr<ScopedFolder> ScopedFolder::Create(const std::filesystem::path& parent,
                                                  absl::string_view prefix) {
  RW_RETURN_IF_ERROR(MakeFolders(parent));
  std::string name = absl::StrCat(parent.string(), "/", prefix, "XXXXXX");
  if (mkdtemp(name.data()) == nullptr) return ErrnoStatus(errno, "make folder", name);
  return ScopedFolder(name);
}

ScopedFolder::ScopedFolder(ScopedFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

ScopedFolder& ScopedFolder::operator=(ScopedFolder&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

ScopedFolder::~ScopedFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

absl::StatusOr<int64_t> AllocatedBytes(const std::filesystem::path& folder) {
  std::string root = folder.string();
  char* const roots[] = {root.data(), nullptr};
  const std::unique_ptr<FTS, int (*)(FTS*)> walk(
      fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr), &fts_close);
  if (walk == nullptr) return ErrnoStatus(errno, "look through", root);
  int64_t bytes = 0;
  while (const FTSENT* entry = fts_read(walk.get())) {
    const bool counted = entry->fts_info == FTS_D || entry->fts_info == FTS_F || entry->fts_info == FTS_SL;
    if (counted) bytes += static_cast<int64_t>(entry->fts_statp->st_blocks) * 512;
    if (entry->fts_level == FTS_ROOTLEVEL && entry->fts_info == FTS_NS)
      return ErrnoStatus(entry->fts_errno, "look through", root);
  }
  return bytes;
}

absl::StatusOr<int64_t> FreeBytes(const std::filesystem::path& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return ErrnoStatus(errno, "ask for free space of", path.string());
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

}  // namespace rootwright
