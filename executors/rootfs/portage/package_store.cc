#include "executors/rootfs/portage/package_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status.h"
#include "base/wait.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kPackage[] = ".gpkg.tar";
constexpr char kRecord[] = ".record";

absl::Status RemoveFile(const fs::path& file) {
  if (unlink(file.c_str()) != 0 && errno != ENOENT) return ErrnoStatus(errno, "remove", file.string());
  return absl::OkStatus();
}

// Names of what is in a folder; none when there is no such folder.
absl::StatusOr<std::vector<std::string>> Names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  if (error == std::errc::no_such_file_or_directory) return names;
  for (const fs::directory_iterator end; !error && at != end; at.increment(error))
    names.push_back(at->path().filename().string());
  if (error) return ErrnoStatus(error.value(), "read", folder.string());
  return names;
}

// "scope/name" of everything that running builds were handed; what ended ones left is removed.
absl::StatusOr<std::set<std::string>> InUse(const fs::path& folder) {
  std::set<std::string> used;
  RW_ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(folder));
  for (const std::string& name : names) {
    const UniqueFd fd(open((folder / name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) continue;
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
      RW_RETURN_IF_ERROR(RemoveFile(folder / name));
      continue;
    }
    RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(folder / name));
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) used.emplace(line);
  }
  return used;
}

// What an end in the middle left: files on their way in, and records without a package.
absl::Status Sweep(const PackageStore& store) {
  RW_ASSIGN_OR_RETURN(const std::vector<std::string> unfinished, Names(store.incoming()));
  for (const std::string& name : unfinished) RW_RETURN_IF_ERROR(RemoveFile(store.incoming() / name));
  RW_ASSIGN_OR_RETURN(const std::vector<std::string> scopes, Names(store.folder() / "packages"));
  for (const std::string& scope : scopes) {
    const fs::path folder = store.folder() / "packages" / scope;
    RW_ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(folder));
    const std::set<std::string> all(names.begin(), names.end());
    for (const std::string& file : names) {
      absl::string_view name = file;
      if (absl::ConsumeSuffix(&name, kPackage)) continue;
      const bool whole = absl::ConsumeSuffix(&name, kRecord) && all.count(absl::StrCat(name, kPackage)) != 0;
      if (!whole) RW_RETURN_IF_ERROR(RemoveFile(folder / file));
    }
  }
  return absl::OkStatus();
}

}  // namespace

PackageStore::PackageStore(fs::path folder) : folder_(std::move(folder)) {}

absl::StatusOr<PackageStore::Lock> PackageStore::Acquire(Deadline deadline, std::stop_token stop) const {
  for (const char* name : {"packages", "incoming", "uses"}) RW_RETURN_IF_ERROR(MakeFolders(folder_ / name));
  const fs::path path = folder_ / "lock";
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return ErrnoStatus(errno, "open the lock", path.string());
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, "lock", path.string());
    if (deadline.Passed())
      return absl::DeadlineExceededError(absl::StrCat("lock: ", path.string(), ": another build holds it"));
    RW_RETURN_IF_ERROR(SleepFor(absl::Milliseconds(50), stop));
  }
  RW_RETURN_IF_ERROR(Sweep(*this));
  return Lock(std::move(fd));
}

absl::StatusOr<std::vector<PackageStore::Entry>> PackageStore::List(const Lock&) const {
  std::vector<Entry> entries;
  RW_ASSIGN_OR_RETURN(const std::vector<std::string> scopes, Names(folder_ / "packages"));
  for (const std::string& scope : scopes) {
    RW_ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(folder_ / "packages" / scope));
    for (const std::string& file : names) {
      absl::string_view name = file;
      struct stat package {};
      struct stat record {};
      if (!absl::ConsumeSuffix(&name, kPackage)) continue;
      Entry entry{scope, std::string(name), 0, {}};
      if (lstat(PackageFile(scope, entry.name).c_str(), &package) != 0) continue;
      if (lstat(RecordFile(scope, entry.name).c_str(), &record) != 0) record = package;
      entry.size_bytes = package.st_size;
      entry.used = absl::TimeFromTimespec(record.st_mtim);
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

absl::Status PackageStore::Put(const Lock&, const std::string& scope, const std::string& name,
                               const fs::path& file, absl::string_view record) const {
  const fs::path target = PackageFile(scope, name);
  RW_RETURN_IF_ERROR(MakeFolders(target.parent_path()));
  if (chmod(file.c_str(), 0444) != 0) return ErrnoStatus(errno, "set the mode of", file.string());
  if (rename(file.c_str(), target.c_str()) != 0) return ErrnoStatus(errno, "rename to", target.string());
  absl::Status written = WriteFileAtomically(RecordFile(scope, name), record);
  if (written.ok()) written = SyncFolder(target.parent_path());
  if (!written.ok()) {
    unlink(RecordFile(scope, name).c_str());
    unlink(target.c_str());
  }
  return written;
}

absl::Status PackageStore::Remove(const Lock&, const std::string& scope, const std::string& name) const {
  RW_RETURN_IF_ERROR(RemoveFile(RecordFile(scope, name)));
  RW_RETURN_IF_ERROR(RemoveFile(PackageFile(scope, name)));
  // The last one takes its folder along; others keep it.
  rmdir(PackageFile(scope, name).parent_path().c_str());
  return absl::OkStatus();
}

absl::StatusOr<bool> PackageStore::MakeRoom(const Lock& lock, int64_t quota_bytes, int64_t more_bytes) const {
  RW_ASSIGN_OR_RETURN(std::vector<Entry> entries, List(lock));
  RW_ASSIGN_OR_RETURN(const std::set<std::string> used, InUse(folder_ / "uses"));
  int64_t total = more_bytes;
  int64_t staying = more_bytes;
  std::vector<Entry> free;
  for (Entry& entry : entries) {
    total += entry.size_bytes;
    if (used.count(absl::StrCat(entry.scope, "/", entry.name)) != 0) {
      staying += entry.size_bytes;
    } else {
      free.push_back(std::move(entry));
    }
  }
  if (staying > quota_bytes) return false;
  std::sort(free.begin(), free.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : free) {
    if (total <= quota_bytes) break;
    RW_RETURN_IF_ERROR(Remove(lock, entry.scope, entry.name));
    total -= entry.size_bytes;
  }
  return true;
}

absl::StatusOr<UniqueFd> PackageStore::Use(const Lock&, const std::vector<Entry>& entries) const {
  const fs::path file = folder_ / "uses" / RandomHex(16);
  std::string text;
  for (const Entry& entry : entries) absl::StrAppend(&text, entry.scope, "/", entry.name, "\n");
  UniqueFd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, "create", file.string());
  absl::Status status = flock(fd.get(), LOCK_EX | LOCK_NB) == 0 ? WriteAll(fd.get(), text, file)
                                                                : ErrnoStatus(errno, "lock", file.string());
  if (!status.ok()) {
    unlink(file.c_str());
    return status;
  }
  return fd;
}

void PackageStore::Touch(const std::string& scope, const std::string& name) const {
  utimensat(AT_FDCWD, RecordFile(scope, name).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

fs::path PackageStore::PackageFile(const std::string& scope, const std::string& name) const {
  return folder_ / "packages" / scope / (name + kPackage);
}

fs::path PackageStore::RecordFile(const std::string& scope, const std::string& name) const {
  return folder_ / "packages" / scope / (name + kRecord);
}

}  // namespace rootwright
