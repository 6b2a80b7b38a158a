#include "vmimages/image_store.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "vmimages/tree_digest.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kDescription[] = "image.json";
// A lock has no descriptor that poll(2) could wait on together with a stop.
constexpr absl::Duration kLockPoll = absl::Milliseconds(100);
constexpr int64_t kPollsPerWord = 300;

constexpr char kMaking[] = ".making-";

std::string MakingPrefix(const std::string& recipe_digest) {
  return absl::StrCat(kMaking, recipe_digest, "-");
}

int64_t Nanoseconds(const timespec& time) { return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

// `log` is told of the wait, so that it is not taken for one without end.
absl::StatusOr<UniqueFd> Lock(const fs::path& path, const ImageStore::Log& log, std::stop_token stop) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return ErrnoStatus(errno, "open lock", path.string());
  int64_t polls = 0;
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, "lock", path.string());
    if (log && polls++ % kPollsPerWord == 0)
      log(absl::StrCat("waiting for the image that somebody else makes", polls == 1 ? "" : "; still at it"));
    RW_RETURN_IF_ERROR(SleepFor(kLockPoll, stop));
  }
  return fd;
}

absl::Status SetMode(const fs::path& path, mode_t mode) {
  if (chmod(path.c_str(), mode) != 0) return ErrnoStatus(errno, "set the mode of", path.string());
  return absl::OkStatus();
}

// Also what is read-only, for those who are not root.
absl::Status DeleteFolder(const fs::path& folder) {
  chmod(folder.c_str(), 0755);
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) return ErrnoStatus(error.value(), "remove image", folder.string());
  return absl::OkStatus();
}

absl::Status Damaged(const fs::path& folder, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("verify image: ", folder.string(), ": damaged: ", why));
}

// Hashes what the maker left in `folder`, describes it and takes everybody's right to write.
absl::Status Seal(const fs::path& folder, ImageDescription& description) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    paths.push_back(entry.path());
  if (error) return ErrnoStatus(error.value(), "read folder", folder.string());
  std::sort(paths.begin(), paths.end());
  description.files.clear();
  for (const fs::path& path : paths) {
    ImageDescription::File file{.name = path.filename().string(), .size_bytes = 0, .sha256 = {}};
    if (fs::is_directory(fs::symlink_status(path, error))) {
      RW_ASSIGN_OR_RETURN(const TreeDigest tree, DigestTree(path));
      file.size_bytes = tree.content_bytes;
      file.sha256 = tree.sha256;
      description.files.push_back(std::move(file));
      continue;
    }
    RW_ASSIGN_OR_RETURN(file.sha256, Sha256::OfFile(path));
    file.size_bytes = static_cast<int64_t>(fs::file_size(path, error));
    if (error) return ErrnoStatus(error.value(), "ask for the size of", path.string());
    description.files.push_back(std::move(file));
    RW_RETURN_IF_ERROR(SetMode(path, 0444));
  }
  RW_RETURN_IF_ERROR(WriteFileAtomically(folder / kDescription, ToJson(description), 0444));
  return SetMode(folder, 0555);
}

}  // namespace

ImageStore::Fingerprint::Fingerprint(const struct stat& info)
    : device(info.st_dev),
      inode(info.st_ino),
      size(info.st_size),
      modified_ns(Nanoseconds(info.st_mtim)),
      changed_ns(Nanoseconds(info.st_ctim)) {}

absl::StatusOr<StoredImage> ImageStore::FindOrMake(const std::string& recipe_digest, const Maker& maker,
                                                   const Log& log, std::stop_token stop) {
  absl::StatusOr<StoredImage> found = Find(recipe_digest);
  if (found.ok()) return found;
  RW_RETURN_IF_ERROR(MakeFolders(folder_));
  RW_ASSIGN_OR_RETURN(const UniqueFd lock, Lock(folder_ / (recipe_digest + ".lock"), log, stop));
  // Somebody else may have made it while this one waited.
  found = Find(recipe_digest);
  if (found.ok()) return found;
  if (!absl::IsNotFound(found.status())) {
    if (log) log(absl::StrCat(found.status().message(), "; it is made anew"));
    RW_RETURN_IF_ERROR(Delete(recipe_digest));
  }
  return Make(recipe_digest, maker);
}

absl::StatusOr<StoredImage> ImageStore::Describe(const std::string& recipe_digest) const {
  const fs::path folder = folder_ / recipe_digest;
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(folder, ignored))) {
    return absl::NotFoundError(absl::StrCat("find image: ", recipe_digest, ": not in ", folder_.string()));
  }
  // Whatever is wrong with it, also a missing file, is damage.
  const absl::StatusOr<std::string> text = ReadFile(folder / kDescription);
  if (!text.ok()) return Damaged(folder, text.status().message());
  absl::StatusOr<ImageDescription> description = ParseImageDescription(*text);
  if (!description.ok()) return Damaged(folder, description.status().message());
  if (description->recipe_digest != recipe_digest)
    return Damaged(folder, absl::StrCat("it was made from recipe ", description->recipe_digest));
  return StoredImage{.folder = folder, .description = *std::move(description)};
}

absl::StatusOr<StoredImage> ImageStore::Find(const std::string& recipe_digest) {
  RW_ASSIGN_OR_RETURN(StoredImage image, Describe(recipe_digest));
  for (const ImageDescription::File& file : image.description.files) {
    const absl::Status status = Verify(image.folder / file.name, file);
    if (!status.ok()) return Damaged(image.folder, status.message());
  }
  return image;
}

absl::Status ImageStore::Verify(const fs::path& path, const ImageDescription::File& expected) {
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return ErrnoStatus(errno, "look at", path.string());
  if (S_ISDIR(info.st_mode)) return VerifyTree(path, expected);
  if (!S_ISREG(info.st_mode)) return absl::DataLossError(absl::StrCat(expected.name, ": not a plain file"));
  if (info.st_size != expected.size_bytes) {
    return absl::DataLossError(
        absl::StrCat(expected.name, ": has ", info.st_size, " bytes instead of ", expected.size_bytes));
  }
  const Fingerprint before(info);
  {
    const MutexLock lock(mutex_);
    const auto known = verified_.find(path.string());
    if (known != verified_.end() && known->second == before) return absl::OkStatus();
  }
  RW_ASSIGN_OR_RETURN(const std::string digest, Sha256::OfFile(path));
  if (digest != expected.sha256) {
    return absl::DataLossError(
        absl::StrCat(expected.name, ": has SHA-256 ", digest, " instead of ", expected.sha256));
  }
  const MutexLock lock(mutex_);
  verified_.insert_or_assign(path.string(), before);
  return absl::OkStatus();
}

absl::Status ImageStore::VerifyTree(const fs::path& path, const ImageDescription::File& expected) {
  RW_ASSIGN_OR_RETURN(const std::string before, FingerprintTree(path));
  {
    const MutexLock lock(mutex_);
    const auto known = verified_trees_.find(path.string());
    if (known != verified_trees_.end() && known->second == before) return absl::OkStatus();
  }
  RW_ASSIGN_OR_RETURN(const TreeDigest tree, DigestTree(path));
  if (tree.sha256 != expected.sha256) {
    return absl::DataLossError(absl::StrCat(expected.name, ": its files have SHA-256 ", tree.sha256,
                                            " instead of ", expected.sha256));
  }
  const MutexLock lock(mutex_);
  verified_trees_.insert_or_assign(path.string(), before);
  return absl::OkStatus();
}

absl::StatusOr<StoredImage> ImageStore::Make(const std::string& recipe_digest, const Maker& maker) {
  // The lock is held: such a folder was left by a process that died.
  const std::string prefix = MakingPrefix(recipe_digest);
  std::vector<fs::path> left;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (absl::StartsWith(entry.path().filename().string(), prefix)) left.push_back(entry.path());
  }
  for (const fs::path& path : left) RW_RETURN_IF_ERROR(DeleteFolder(path));

  RW_ASSIGN_OR_RETURN(const ScopedFolder making, ScopedFolder::Create(folder_, prefix));
  RW_ASSIGN_OR_RETURN(ImageDescription description, maker(making.path()));
  description.recipe_digest = recipe_digest;
  const fs::path final = folder_ / recipe_digest;
  absl::Status status = Seal(making.path(), description);
  if (status.ok() && rename(making.path().c_str(), final.c_str()) != 0) {
    status = ErrnoStatus(errno, "rename image to", final.string());
  }
  if (!status.ok()) {
    chmod(making.path().c_str(), 0755);
    return status;
  }
  // Hashes it a second time, from the page cache: what is handed out has been verified.
  return Find(recipe_digest);
}

absl::StatusOr<std::vector<std::string>> ImageStore::List() const {
  std::vector<std::string> digests;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && !absl::StartsWith(name, ".")) digests.push_back(name);
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return ErrnoStatus(error.value(), "list images in", folder_.string());
  }
  std::sort(digests.begin(), digests.end());
  return digests;
}

absl::Status ImageStore::Remove(const std::string& recipe_digest, std::stop_token stop) {
  std::error_code ignored;
  if (!fs::exists(fs::symlink_status(folder_ / recipe_digest, ignored))) {
    return absl::NotFoundError(absl::StrCat("remove image: ", recipe_digest, ": not in ", folder_.string()));
  }
  RW_ASSIGN_OR_RETURN(const UniqueFd lock, Lock(folder_ / (recipe_digest + ".lock"), {}, std::move(stop)));
  return Delete(recipe_digest);
}

absl::Status ImageStore::RemoveLeftovers() const {
  std::vector<fs::path> making;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, error)) {
    if (absl::StartsWith(entry.path().filename().string(), kMaking)) making.push_back(entry.path());
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return ErrnoStatus(error.value(), "list images in", folder_.string());
  for (const fs::path& path : making) {
    const std::string name = path.filename().string().substr(std::strlen(kMaking));
    const fs::path lock = folder_ / (name.substr(0, name.find('-')) + ".lock");
    const UniqueFd fd(open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return ErrnoStatus(errno, "open lock", lock.string());
    // Somebody is at it.
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    RW_RETURN_IF_ERROR(DeleteFolder(path));
  }
  return absl::OkStatus();
}

absl::Status ImageStore::Delete(const std::string& recipe_digest) const {
  // First away from its name, so that nobody finds half of it.
  const fs::path doomed = folder_ / (MakingPrefix(recipe_digest) + "doomed");
  RW_RETURN_IF_ERROR(DeleteFolder(doomed));
  if (rename((folder_ / recipe_digest).c_str(), doomed.c_str()) != 0) {
    return ErrnoStatus(errno, "remove image", (folder_ / recipe_digest).string());
  }
  return DeleteFolder(doomed);
}

}  // namespace rootwright
