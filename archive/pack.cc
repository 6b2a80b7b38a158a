#include "archive/pack.h"

#include <archive.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "archive/pack_output.h"
#include "archive/tar_writer.h"
#include "archive/tree_writer.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

constexpr int64_t kProgressEvery = 4 << 20;
constexpr int kDeepest = 512;
constexpr size_t kBuffer = 256 << 10;

// One pass over a tree.
class Packer {
 public:
  Packer(TarWriter& writer, const PackOptions& options, const PackProgress& progress, Deadline deadline,
         std::stop_token stop)
      : writer_(writer),
        latest_(options.source_date == absl::InfiniteFuture() ? INT64_MAX
                                                              : absl::ToUnixSeconds(options.source_date)),
        progress_(progress),
        deadline_(deadline),
        stop_(std::move(stop)),
        buffer_(kBuffer) {}

  // The folder itself, then what is in it.
  absl::Status PackFolder(const UniqueFd& folder, const std::string& path, int depth);
  PackResult TakeResult() { return std::move(result_); }

 private:
  absl::Status PackItem(int parent, const char* name, const std::string& path, int depth);
  absl::Status PackFile(int parent, const char* name, TarEntry entry);
  absl::Status PackContent(int fd, const TarEntry& entry);
  absl::Status Add(const TarEntry& entry);
  absl::Status Pause(const std::string& path);
  TarEntry EntryOf(const struct stat& found, const std::string& path) const;

  TarWriter& writer_;
  const int64_t latest_;
  const PackProgress& progress_;
  const Deadline deadline_;
  const std::stop_token stop_;
  std::vector<char> buffer_;
  // First path of a file with several names.
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
  int64_t told_ = 0;
  PackResult result_;
};

absl::StatusOr<std::vector<std::string>> SortedNames(int folder, const std::string& path) {
  const int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return ErrnoStatus(errno, "list", path);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(copy), &closedir);
  if (!listing) {
    close(copy);
    return ErrnoStatus(ENOMEM, "list", path);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* item = readdir(listing.get())) {
    const absl::string_view name(item->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return ErrnoStatus(errno, "list", path);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status ReadXattrs(int fd, TarEntry& entry) {
  // As many as the kernel ever lists.
  char names[XATTR_LIST_MAX];
  const ssize_t size = flistxattr(fd, names, sizeof names);
  if (size < 0 && (errno == ENOTSUP || errno == ENODATA)) return absl::OkStatus();
  if (size < 0) return ErrnoStatus(errno, "list the attributes of", entry.path);
  for (ssize_t at = 0; at < size; at += static_cast<ssize_t>(std::strlen(names + at)) + 1) {
    const char* name = names + at;
    if (!KeptXattr(name)) continue;
    std::string value(XATTR_SIZE_MAX, '\0');
    const ssize_t got = fgetxattr(fd, name, value.data(), value.size());
    if (got < 0) return ErrnoStatus(errno, absl::StrCat("read ", name, " of"), entry.path);
    value.resize(static_cast<size_t>(got));
    entry.xattrs[name] = std::move(value);
  }
  return absl::OkStatus();
}

std::string Below(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, "/", name);
}

TarEntry Packer::EntryOf(const struct stat& found, const std::string& path) const {
  TarEntry entry;
  entry.path = path;
  entry.mode = found.st_mode & 07777;
  entry.uid = found.st_uid;
  entry.gid = found.st_gid;
  entry.mtime = std::min<int64_t>(found.st_mtime, latest_);
  return entry;
}

absl::Status Packer::Add(const TarEntry& entry) {
  ++result_.entries;
  return writer_.Add(entry);
}

absl::Status Packer::Pause(const std::string& path) {
  if (stop_.stop_requested()) return absl::CancelledError(absl::StrCat("pack: ", path, ": stopped"));
  if (deadline_.Passed())
    return absl::DeadlineExceededError(absl::StrCat("pack: ", path, ": not done in time"));
  if (progress_ && result_.content_bytes - told_ >= kProgressEvery) {
    told_ = result_.content_bytes;
    progress_(result_.content_bytes, path);
  }
  return absl::OkStatus();
}

absl::Status Packer::PackFolder(const UniqueFd& folder, const std::string& path, int depth) {
  if (depth > kDeepest) return absl::InvalidArgumentError(absl::StrCat("pack: ", path, ": folders too deep"));
  struct stat found {};
  if (fstat(folder.get(), &found) != 0) return ErrnoStatus(errno, "look at", path);
  TarEntry entry = EntryOf(found, path);
  entry.kind = TarEntry::Kind::kFolder;
  RW_RETURN_IF_ERROR(ReadXattrs(folder.get(), entry));
  RW_RETURN_IF_ERROR(Add(entry));
  RW_ASSIGN_OR_RETURN(const std::vector<std::string> names, SortedNames(folder.get(), path));
  for (const std::string& name : names) {
    RW_RETURN_IF_ERROR(PackItem(folder.get(), name.c_str(), Below(path, name), depth));
  }
  return absl::OkStatus();
}

absl::Status Packer::PackItem(int parent, const char* name, const std::string& path, int depth) {
  RW_RETURN_IF_ERROR(Pause(path));
  struct stat found {};
  if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) != 0) return ErrnoStatus(errno, "look at", path);
  if (S_ISDIR(found.st_mode)) {
    const UniqueFd folder(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return ErrnoStatus(errno, "open", path);
    return PackFolder(folder, path, depth + 1);
  }
  TarEntry entry = EntryOf(found, path);
  if (found.st_nlink > 1 && !S_ISSOCK(found.st_mode)) {
    const auto [first, is_new] = first_names_.emplace(std::pair(found.st_dev, found.st_ino), path);
    if (!is_new) {
      entry.kind = TarEntry::Kind::kHardlink;
      entry.target = first->second;
      return Add(entry);
    }
  }
  switch (found.st_mode & S_IFMT) {
    case S_IFREG:
      entry.size = found.st_size;
      return PackFile(parent, name, std::move(entry));
    case S_IFLNK: {
      const ssize_t length = readlinkat(parent, name, buffer_.data(), buffer_.size());
      if (length < 0) return ErrnoStatus(errno, "read the symlink", path);
      entry.kind = TarEntry::Kind::kSymlink;
      entry.mode = 0777;
      entry.target.assign(buffer_.data(), static_cast<size_t>(length));
      return Add(entry);
    }
    case S_IFSOCK:
      result_.warnings.push_back(absl::StrCat("left out of the archive: ", path, ": a socket"));
      return absl::OkStatus();
    case S_IFCHR:
      entry.kind = TarEntry::Kind::kCharDevice;
      break;
    case S_IFBLK:
      entry.kind = TarEntry::Kind::kBlockDevice;
      break;
    default:
      entry.kind = TarEntry::Kind::kFifo;
  }
  entry.device = found.st_rdev;
  return Add(entry);
}

absl::Status Packer::PackFile(int parent, const char* name, TarEntry entry) {
  // Not blocking: should the file have become a fifo meanwhile, this must not wait for a writer.
  const UniqueFd fd(openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", entry.path);
  RW_RETURN_IF_ERROR(ReadXattrs(fd.get(), entry));
  RW_RETURN_IF_ERROR(Add(entry));
  return PackContent(fd.get(), entry);
}

absl::Status Packer::PackContent(int fd, const TarEntry& entry) {
  int64_t left = entry.size;
  while (left > 0) {
    const size_t wanted = static_cast<size_t>(std::min<int64_t>(left, static_cast<int64_t>(buffer_.size())));
    const ssize_t got = read(fd, buffer_.data(), wanted);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", entry.path);
    if (got == 0)
      return absl::FailedPreconditionError(absl::StrCat("pack: ", entry.path, ": became shorter meanwhile"));
    RW_RETURN_IF_ERROR(writer_.Write({buffer_.data(), static_cast<size_t>(got)}));
    left -= got;
    result_.content_bytes += got;
    RW_RETURN_IF_ERROR(Pause(entry.path));
  }
  return absl::OkStatus();
}

}  // namespace

std::map<std::string, std::string> ArchiveTools() {
  std::map<std::string, std::string> tools = {{"zlib", archive_zlib_version()},
                                              {"libzstd", archive_libzstd_version()}};
  // "libarchive 3.6.2"
  const std::pair<std::string, std::string> own = absl::StrSplit(archive_version_string(), ' ');
  tools.insert(own);
  return tools;
}

absl::StatusOr<PackResult> PackTree(const std::filesystem::path& tree, const std::filesystem::path& archive,
                                    const PackOptions& options, const PackProgress& progress,
                                    Deadline deadline, std::stop_token stop) {
  const UniqueFd root(open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return ErrnoStatus(errno, "open the tree", tree.string());
  RW_ASSIGN_OR_RETURN(const std::unique_ptr<PackOutput> output, PackOutput::Create(archive, options));
  RW_ASSIGN_OR_RETURN(const std::unique_ptr<TarWriter> writer,
                      TarWriter::Create([&](absl::string_view bytes) { return output->Write(bytes); }));
  Packer packer(*writer, options, progress, deadline, std::move(stop));
  RW_RETURN_IF_ERROR(packer.PackFolder(root, "", 0));
  RW_RETURN_IF_ERROR(writer->Close());
  RW_RETURN_IF_ERROR(output->Finish());
  PackResult result = packer.TakeResult();
  result.size_bytes = output->size();
  result.sha256 = output->digest();
  return result;
}

}  // namespace rootwright
