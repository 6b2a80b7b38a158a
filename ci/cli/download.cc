#include "ci/cli/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/artifact_name.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "ci/cli/master_client.h"
#include "ci/cli/text.h"
#include "ci/cli/units.h"

namespace rootwright::cli {
namespace {

// Bytes of an artifact as they are put on disk, with the digest of all before them.
class PartialFile {
 public:
  static absl::StatusOr<PartialFile> Open(std::filesystem::path path) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return ErrnoStatus(errno, "create", path.string());
    PartialFile file(std::move(path), std::move(fd));
    std::string buffer(1 << 18, '\0');
    for (;;) {
      const ssize_t got = read(file.fd_.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, "read", file.path_.string());
      if (got == 0) return file;
      file.digest_.Update(absl::string_view(buffer.data(), static_cast<size_t>(got)));
      file.size_ += got;
    }
  }

  absl::Status Append(absl::string_view data) {
    digest_.Update(data);
    size_ += static_cast<int64_t>(data.size());
    return WriteAll(fd_.get(), data, path_);
  }

  absl::Status Empty() {
    if (ftruncate(fd_.get(), 0) != 0 || lseek(fd_.get(), 0, SEEK_SET) != 0)
      return ErrnoStatus(errno, "empty", path_.string());
    digest_ = Sha256();
    size_ = 0;
    return absl::OkStatus();
  }

  absl::Status Publish(const std::filesystem::path& as) {
    if (fsync(fd_.get()) != 0) return ErrnoStatus(errno, "sync", path_.string());
    if (rename(path_.c_str(), as.c_str()) != 0) return ErrnoStatus(errno, "rename to", as.string());
    return absl::OkStatus();
  }

  void Remove() { unlink(path_.c_str()); }

  int64_t size() const { return size_; }
  std::string Digest() const { return digest_.Digest(); }

 private:
  PartialFile(std::filesystem::path path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  UniqueFd fd_;
  Sha256 digest_;
  int64_t size_ = 0;
};

class Download {
 public:
  Download(BuildClient& client, const v1::Artifact& artifact, const DownloadOptions& options,
           std::stop_token stop)
      : client_(client), artifact_(artifact), options_(options), stop_(std::move(stop)) {}

  // Reads until the file has its size; over several calls when the link drops.
  absl::Status Fill(PartialFile& file) {
    absl::Duration pause = options_.first_pause;
    Deadline give_up = Deadline::In(options_.reconnect_for);
    while (file.size() < artifact_.size_bytes()) {
      const int64_t before = file.size();
      const absl::Status status = ReadOnce(file);
      if (file.size() >= artifact_.size_bytes()) break;
      if (status.ok())
        return absl::DataLossError(absl::StrCat(What(), ": the master sent ", file.size(), " of ",
                                                artifact_.size_bytes(), " bytes"));
      if (status.code() != absl::StatusCode::kUnavailable) return Annotate(status, What());
      if (file.size() > before) {
        give_up = Deadline::In(options_.reconnect_for);
        pause = options_.first_pause;
      }
      if (give_up.Passed()) return Annotate(status, What());
      RW_RETURN_IF_ERROR(SleepFor(std::min(pause, give_up.Left()), stop_));
      pause = std::min(pause * 2, options_.first_pause * 20);
    }
    return absl::OkStatus();
  }

  std::string What() const { return absl::StrCat("fetch artifact: ", artifact_.name()); }

 private:
  absl::Status ReadOnce(PartialFile& file) {
    v1::ReadArtifactRequest request;
    request.set_build_id(options_.build_id);
    request.set_name(artifact_.name());
    request.set_offset(file.size());
    return client_.ReadArtifact(request, stop_, [&](const v1::ReadArtifactResponse& chunk) {
      if (chunk.offset() != file.size() ||
          static_cast<int64_t>(chunk.data().size()) > artifact_.size_bytes() - file.size()) {
        return absl::DataLossError(
            absl::StrCat("the master sent bytes for offset ", chunk.offset(), ", not ", file.size()));
      }
      RW_RETURN_IF_ERROR(file.Append(chunk.data()));
      if (options_.on_progress) options_.on_progress(artifact_, file.size());
      return absl::OkStatus();
    });
  }

  BuildClient& client_;
  const v1::Artifact& artifact_;
  const DownloadOptions& options_;
  const std::stop_token stop_;
};

bool IsThere(const std::filesystem::path& path, const v1::Artifact& artifact) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error || size != static_cast<uintmax_t>(artifact.size_bytes())) return false;
  const auto digest = Sha256::OfFile(path);
  return digest.ok() && *digest == artifact.sha256();
}

}  // namespace

absl::StatusOr<std::filesystem::path> DownloadArtifact(BuildClient& client, const v1::Artifact& artifact,
                                                       const DownloadOptions& options, std::stop_token stop) {
  if (!IsArtifactName(artifact.name())) {
    return absl::InvalidArgumentError(
        absl::StrCat("fetch artifact: not a file name: '", Printable(artifact.name()), "'"));
  }
  RW_RETURN_IF_ERROR(MakeFolders(options.folder));
  const std::filesystem::path path = options.folder / artifact.name();
  if (IsThere(path, artifact)) return path;
  RW_ASSIGN_OR_RETURN(PartialFile file,
                      PartialFile::Open(options.folder / absl::StrCat(".", artifact.name(), ".partial")));
  if (file.size() > artifact.size_bytes()) RW_RETURN_IF_ERROR(file.Empty());
  const bool resumed = file.size() > 0;
  Download download(client, artifact, options, stop);
  RW_RETURN_IF_ERROR(download.Fill(file));
  if (file.Digest() != artifact.sha256() && resumed) {
    // What an earlier fetch left was of something else: once more from the start.
    RW_RETURN_IF_ERROR(file.Empty());
    RW_RETURN_IF_ERROR(download.Fill(file));
  }
  if (file.Digest() != artifact.sha256()) {
    file.Remove();
    return absl::DataLossError(absl::StrCat(download.What(), ": its SHA-256 is ", file.Digest(), ", not ",
                                            artifact.sha256(), "; nothing was kept, fetch it again"));
  }
  RW_RETURN_IF_ERROR(file.Publish(path));
  return path;
}

}  // namespace rootwright::cli
