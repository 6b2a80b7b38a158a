#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "base/unique_fd.h"
#include "rootwright/v1/artifact.pb.h"

namespace rootwright::master {

class ArtifactStore;

// One artifact on its way in. Ends incomplete when the object goes: what came stays, to be gone on with.
class ArtifactUpload {
 public:
  ~ArtifactUpload();
  ArtifactUpload(const ArtifactUpload&) = delete;
  ArtifactUpload& operator=(const ArtifactUpload&) = delete;

  int64_t committed() const { return committed_; }
  // OutOfRange when `offset` is not committed(), or when more comes than was announced.
  absl::Status Append(int64_t offset, absl::string_view data);
  // Puts the whole file in its place. DataLoss when the digest does not agree (what was sent is thrown
  // away then), OutOfRange when bytes are missing.
  absl::Status Finish();

 private:
  friend class ArtifactStore;
  ArtifactUpload(ArtifactStore& store, v1::Artifact artifact, std::string part)
      : store_(store), artifact_(std::move(artifact)), part_(std::move(part)) {}

  ArtifactStore& store_;
  const v1::Artifact artifact_;
  const std::string part_;
  UniqueFd fd_;
  Sha256 digest_;
  int64_t committed_ = 0;
};

// Artifacts by their content: FOLDER/sha256/ab/abcd…, equal contents once, read-only, never half there.
// FOLDER/uploads/BUILD-DIGEST is what has come of one so far. Thread-safe.
class ArtifactStore {
 public:
  // `max_bytes`: of one artifact.
  static absl::StatusOr<std::unique_ptr<ArtifactStore>> Create(std::filesystem::path folder,
                                                               int64_t max_bytes);

  // InvalidArgument when name, size or digest break the contract.
  static absl::Status Check(const v1::Artifact& artifact);
  bool Has(const v1::Artifact& artifact) const;
  // Whether it may come: FailedPrecondition when it is larger than any may be,
  // ResourceExhausted when the disk is too full for what is missing of it.
  absl::Status Admit(const std::string& build_id, const v1::Artifact& artifact) const;
  // How much of an unfinished upload is there.
  int64_t Committed(const std::string& build_id, const v1::Artifact& artifact) const;
  // As Admit; Unavailable while another upload of the same is under way.
  absl::StatusOr<std::unique_ptr<ArtifactUpload>> Open(const std::string& build_id,
                                                       const v1::Artifact& artifact);
  // Removes what came of artifacts that will not be gone on with: `is_over` says so of a build.
  void RemoveParts(const std::function<bool(absl::string_view build_id)>& is_over);
  // Up to `max_bytes` from `offset`; empty at the end. NotFound when it is not there.
  absl::StatusOr<std::string> Read(const v1::Artifact& artifact, int64_t offset, int64_t max_bytes) const;

 private:
  friend class ArtifactUpload;
  ArtifactStore(std::filesystem::path folder, int64_t max_bytes)
      : folder_(std::move(folder)), max_bytes_(max_bytes) {}
  std::filesystem::path PlaceOf(const v1::Artifact& artifact) const;
  std::filesystem::path PartPath(const std::string& part) const { return folder_ / "uploads" / part; }
  void Release(const std::string& part);

  const std::filesystem::path folder_;
  const int64_t max_bytes_;
  Mutex mutex_;
  // Parts that have an upload.
  std::set<std::string> busy_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright::master
