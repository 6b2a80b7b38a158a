#include "ci/master/log_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright::master {
namespace {

// Beyond this many the files are closed at the next Sync.
constexpr size_t kMaxOpenLogs = 64;

}  // namespace

std::filesystem::path LogStore::FolderOf(const LogKey& key) const {
  return folder_ / key.build_id / std::to_string(key.attempt);
}

std::filesystem::path LogStore::PathOf(const LogKey& key) const {
  return FolderOf(key) / (key.step + ".log");
}

absl::StatusOr<LogStore::OpenLog*> LogStore::Open(const LogKey& key) {
  auto found = open_.find(key);
  if (found != open_.end()) return &found->second;
  const std::filesystem::path path = PathOf(key);
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) {
    const std::filesystem::path folder = FolderOf(key);
    RW_RETURN_IF_ERROR(MakeFolders(folder));
    fd.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return ErrnoStatus(errno, "open log", path.string());
    RW_RETURN_IF_ERROR(SyncFolder(folder));
    RW_RETURN_IF_ERROR(SyncFolder(folder.parent_path()));
    RW_RETURN_IF_ERROR(SyncFolder(folder_));
  }
  return &open_.emplace(key, OpenLog{std::move(fd), false}).first->second;
}

absl::Status LogStore::Write(const LogKey& key, int64_t offset, absl::string_view data) {
  RW_ASSIGN_OR_RETURN(OpenLog * log, Open(key));
  while (!data.empty()) {
    const ssize_t written = ::pwrite(log->fd.get(), data.data(), data.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "write log", PathOf(key).string());
    data.remove_prefix(written);
    offset += written;
  }
  log->dirty = true;
  return absl::OkStatus();
}

absl::Status LogStore::Empty(const LogKey& key) {
  RW_ASSIGN_OR_RETURN(OpenLog * log, Open(key));
  if (::ftruncate(log->fd.get(), 0) != 0) return ErrnoStatus(errno, "empty log", PathOf(key).string());
  log->dirty = true;
  return absl::OkStatus();
}

absl::Status LogStore::Sync() {
  for (auto& [key, log] : open_) {
    if (!log.dirty) continue;
    if (::fdatasync(log.fd.get()) != 0) return ErrnoStatus(errno, "sync log", PathOf(key).string());
    log.dirty = false;
  }
  if (open_.size() > kMaxOpenLogs) open_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::string> LogStore::Read(const LogKey& key, int64_t offset, int64_t max_bytes) const {
  const std::filesystem::path path = PathOf(key);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::string();
  if (!fd) return ErrnoStatus(errno, "open log", path.string());
  std::string data(max_bytes, '\0');
  int64_t size = 0;
  while (size < max_bytes) {
    const ssize_t got = ::pread(fd.get(), data.data() + size, max_bytes - size, offset + size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read log", path.string());
    if (got == 0) break;
    size += got;
  }
  data.resize(size);
  return data;
}

}  // namespace rootwright::master
