#include "ci/master/artifact_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/artifact_name.h"
#include "base/file.h"
#include "base/log.h"
#include "base/size_text.h"
#include "base/status.h"

namespace rootwright::master {
namespace {

// Left free for the database and the logs.
constexpr int64_t kSpareBytes = 256 << 20;
constexpr size_t kHashBytes = 1 << 20;

int64_t SizeOf(const std::filesystem::path& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

// Brings the digest up to what an earlier upload left.
absl::Status HashFile(int fd, int64_t size, absl::string_view name, Sha256& digest) {
  std::string buffer(kHashBytes, '\0');
  for (int64_t offset = 0; offset < size;) {
    const ssize_t got = ::pread(fd, buffer.data(), std::min<int64_t>(kHashBytes, size - offset), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ErrnoStatus(got < 0 ? errno : EIO, "read partial artifact", name);
    digest.Update(absl::string_view(buffer.data(), got));
    offset += got;
  }
  return absl::OkStatus();
}

}  // namespace

ArtifactUpload::~ArtifactUpload() { store_.Release(part_); }

absl::Status ArtifactUpload::Append(int64_t offset, absl::string_view data) {
  if (offset != committed_) {
    return absl::OutOfRangeError(absl::StrCat("upload artifact: ", artifact_.name(), ": sent from ", offset,
                                              ", wanted from ", committed_));
  }
  if (committed_ + static_cast<int64_t>(data.size()) > artifact_.size_bytes()) {
    return absl::OutOfRangeError(absl::StrCat("upload artifact: ", artifact_.name(),
                                              ": more was sent than the ", artifact_.size_bytes(),
                                              " bytes announced"));
  }
  digest_.Update(data);
  while (!data.empty()) {
    const ssize_t written = ::pwrite(fd_.get(), data.data(), data.size(), committed_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, "store artifact", artifact_.name());
    data.remove_prefix(written);
    committed_ += written;
  }
  return absl::OkStatus();
}

absl::Status ArtifactUpload::Finish() {
  if (committed_ != artifact_.size_bytes()) {
    return absl::OutOfRangeError(absl::StrCat("upload artifact: ", artifact_.name(), ": ended after ",
                                              committed_, " of ", artifact_.size_bytes(), " bytes"));
  }
  const std::filesystem::path part = store_.PartPath(part_);
  if (const std::string digest = digest_.Digest(); digest != artifact_.sha256()) {
    ::unlink(part.c_str());
    return absl::DataLossError(absl::StrCat("upload artifact: ", artifact_.name(), ": SHA-256 is ", digest,
                                            ", announced ", artifact_.sha256()));
  }
  if (::fchmod(fd_.get(), 0444) != 0 || ::fsync(fd_.get()) != 0) {
    return ErrnoStatus(errno, "store artifact", artifact_.name());
  }
  const std::filesystem::path place = store_.PlaceOf(artifact_);
  RW_RETURN_IF_ERROR(MakeFolders(place.parent_path()));
  if (::rename(part.c_str(), place.c_str()) != 0) return ErrnoStatus(errno, "store artifact", place.string());
  RW_RETURN_IF_ERROR(SyncFolder(place.parent_path()));
  return SyncFolder(place.parent_path().parent_path());
}

absl::StatusOr<std::unique_ptr<ArtifactStore>> ArtifactStore::Create(std::filesystem::path folder,
                                                                     int64_t max_bytes) {
  RW_RETURN_IF_ERROR(MakeFolders(folder / "sha256"));
  RW_RETURN_IF_ERROR(MakeFolders(folder / "uploads"));
  return std::unique_ptr<ArtifactStore>(new ArtifactStore(std::move(folder), max_bytes));
}

absl::Status ArtifactStore::Check(const v1::Artifact& artifact) {
  if (!IsArtifactName(artifact.name()))
    return absl::InvalidArgumentError(absl::StrCat("artifact: name: ", kArtifactNameRule));
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (artifact.sha256().size() != 64 ||
      !std::all_of(artifact.sha256().begin(), artifact.sha256().end(), hex)) {
    return absl::InvalidArgumentError(
        absl::StrCat("artifact: ", artifact.name(), ": sha256 must be 64 lower-case hexadecimal digits"));
  }
  if (artifact.size_bytes() < 0)
    return absl::InvalidArgumentError(absl::StrCat("artifact: ", artifact.name(), ": negative size"));
  return absl::OkStatus();
}

std::filesystem::path ArtifactStore::PlaceOf(const v1::Artifact& artifact) const {
  return folder_ / "sha256" / artifact.sha256().substr(0, 2) / artifact.sha256();
}

bool ArtifactStore::Has(const v1::Artifact& artifact) const {
  struct stat info;
  return ::stat(PlaceOf(artifact).c_str(), &info) == 0 && info.st_size == artifact.size_bytes();
}

int64_t ArtifactStore::Committed(const std::string& build_id, const v1::Artifact& artifact) const {
  return Has(artifact) ? artifact.size_bytes()
                       : SizeOf(PartPath(absl::StrCat(build_id, "-", artifact.sha256())));
}

absl::Status ArtifactStore::Admit(const std::string& build_id, const v1::Artifact& artifact) const {
  const std::string what = absl::StrCat("upload artifact: ", artifact.name(), ": ");
  // Another attempt would make the same.
  if (artifact.size_bytes() > max_bytes_) {
    return absl::FailedPreconditionError(absl::StrCat(what, SizeText(artifact.size_bytes()),
                                                      ", the master takes at most ", SizeText(max_bytes_)));
  }
  RW_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(folder_));
  if (artifact.size_bytes() - Committed(build_id, artifact) <= free - kSpareBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(what, SizeText(artifact.size_bytes()),
                                                   " do not fit, the master's disk has ", SizeText(free),
                                                   " free and keeps ", SizeText(kSpareBytes), " of it"));
}

absl::StatusOr<std::unique_ptr<ArtifactUpload>> ArtifactStore::Open(const std::string& build_id,
                                                                    const v1::Artifact& artifact) {
  RW_RETURN_IF_ERROR(Admit(build_id, artifact));
  std::string part = absl::StrCat(build_id, "-", artifact.sha256());
  {
    MutexLock lock(mutex_);
    if (!busy_.insert(part).second) {
      return absl::UnavailableError(absl::StrCat("upload artifact: ", artifact.name(),
                                                 ": another upload of it is under way; try again"));
    }
  }
  // From here on its end releases the part.
  std::unique_ptr<ArtifactUpload> upload(new ArtifactUpload(*this, artifact, part));
  const std::filesystem::path path = PartPath(part);
  upload->fd_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!upload->fd_) return ErrnoStatus(errno, "store artifact", path.string());
  int64_t there = SizeOf(path);
  if (there > artifact.size_bytes()) {
    if (::ftruncate(upload->fd_.get(), 0) != 0) return ErrnoStatus(errno, "store artifact", path.string());
    there = 0;
  }
  RW_RETURN_IF_ERROR(HashFile(upload->fd_.get(), there, artifact.name(), upload->digest_));
  upload->committed_ = there;
  return upload;
}

absl::StatusOr<std::string> ArtifactStore::Read(const v1::Artifact& artifact, int64_t offset,
                                                int64_t max_bytes) const {
  const std::filesystem::path path = PlaceOf(artifact);
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "read artifact", path.string());
  std::string data(max_bytes, '\0');
  ssize_t got;
  do {
    got = ::pread(fd.get(), data.data(), data.size(), offset);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return ErrnoStatus(errno, "read artifact", path.string());
  data.resize(got);
  return data;
}

void ArtifactStore::RemoveParts(const std::function<bool(absl::string_view build_id)>& is_over) {
  // Held meanwhile, so that no upload of a part begins.
  MutexLock lock(mutex_);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "uploads", error)) {
    const std::string part = entry.path().filename().string();
    if (busy_.count(part) != 0 || !is_over(part.substr(0, part.find('-')))) continue;
    if (::unlink(entry.path().c_str()) == 0) spdlog::info("removed {}, its build is over", part);
  }
}

void ArtifactStore::Release(const std::string& part) {
  MutexLock lock(mutex_);
  busy_.erase(part);
}

}  // namespace rootwright::master
