#include "agent/link/artifact_uploader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/build/upload_artifacts.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

constexpr size_t kChunk = 256 * 1024;
// A digest that does not agree once may be a bad wire; more often it is a file that changed.
constexpr int kDigestTries = 2;

bool WorthAnotherTry(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    // The committed offset moved: ask again.
    case absl::StatusCode::kOutOfRange:
      return true;
    default:
      return false;
  }
}

// Reads the file in chunks of the contract.
class ChunkReader {
 public:
  ChunkReader(const v1::QueryArtifactRequest& request, const ArtifactFile& artifact, int file, int64_t offset,
              const ProgressSink& progress)
      : request_(request), artifact_(artifact), file_(file), offset_(offset), progress_(progress) {}

  absl::StatusOr<v1::UploadArtifactRequest> Next() {
    v1::UploadArtifactRequest chunk;
    if (!first_ && offset_ >= artifact_.size_bytes) return chunk;
    if (std::exchange(first_, false)) {
      chunk.set_build_id(request_.build_id());
      chunk.set_lease_id(request_.lease_id());
      *chunk.mutable_artifact() = request_.artifact();
    }
    chunk.set_offset(offset_);
    std::string* data = chunk.mutable_data();
    data->resize(std::min<size_t>(kChunk, static_cast<size_t>(artifact_.size_bytes - offset_)));
    for (size_t done = 0; done < data->size();) {
      const ssize_t got =
          pread(file_, data->data() + done, data->size() - done, offset_ + static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, "read", artifact_.path.string());
      if (got == 0)
        return absl::DataLossError(absl::StrCat("read: ", artifact_.path.string(), ": it became shorter"));
      done += static_cast<size_t>(got);
    }
    offset_ += static_cast<int64_t>(data->size());
    progress_({offset_, artifact_.size_bytes, "uploading", artifact_.name, ProgressUpdate::Unit::kBytes});
    return chunk;
  }

 private:
  const v1::QueryArtifactRequest& request_;
  const ArtifactFile& artifact_;
  const int file_;
  int64_t offset_;
  const ProgressSink& progress_;
  bool first_ = true;
};

}  // namespace

absl::Status ArtifactUploader::Publish(const std::string& build_id, const std::string& lease_id,
                                       const ArtifactFile& artifact, const ProgressSink& progress,
                                       Deadline deadline, std::stop_token stop) {
  v1::QueryArtifactRequest request;
  request.set_build_id(build_id);
  request.set_lease_id(lease_id);
  *request.mutable_artifact() = ToProto(artifact);
  Backoff backoff(absl::Milliseconds(200), absl::Seconds(15), std::random_device()());
  int digest_tries = 0;
  for (;;) {
    const absl::Status status =
        Annotate(TryOnce(request, artifact, progress, stop), absl::StrCat("upload: ", artifact.name));
    if (status.ok()) return status;
    if (stop.stop_requested())
      return absl::CancelledError(absl::StrCat("upload: ", artifact.name, ": stopped"));
    if (deadline.Passed()) return absl::DeadlineExceededError(status.message());
    const bool again = WorthAnotherTry(status) || (absl::IsDataLoss(status) && ++digest_tries < kDigestTries);
    if (!again) return status;
    spdlog::warn("build {}: {}; trying again", build_id, std::string(status.message()));
    RW_RETURN_IF_ERROR(pause_(std::min(backoff.Next(), deadline.Left()), stop));
  }
}

absl::Status ArtifactUploader::TryOnce(const v1::QueryArtifactRequest& request, const ArtifactFile& artifact,
                                       const ProgressSink& progress, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const v1::QueryArtifactResponse known, wire_.Query(request, stop));
  if (known.complete()) return absl::OkStatus();
  const UniqueFd file(open(artifact.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return WithFault(ErrnoStatus(errno, "open", artifact.path.string()), Fault::kHost);
  ChunkReader reader(request, artifact, file.get(),
                     std::clamp<int64_t>(known.committed_bytes(), 0, artifact.size_bytes), progress);
  RW_ASSIGN_OR_RETURN(const v1::UploadArtifactResponse stored,
                      wire_.Upload([&] { return reader.Next(); }, stop));
  if (stored.committed_bytes() != artifact.size_bytes) {
    return absl::OutOfRangeError(
        absl::StrCat("the master has ", stored.committed_bytes(), " of ", artifact.size_bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace rootwright
