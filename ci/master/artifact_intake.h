#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ci/master/artifact_store.h"
#include "ci/master/farm.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright::master {

// Takes artifacts from agents: only under a lease that is in force (PermissionDenied otherwise), and a build
// shows one only when it is whole, verified and durable. Thread-safe; may block on the disk.
class ArtifactIntake {
 public:
  ArtifactIntake(Farm& farm, ArtifactStore& artifacts) : farm_(farm), artifacts_(artifacts) {}

  absl::StatusOr<v1::QueryArtifactResponse> Query(const v1::QueryArtifactRequest& request);
  // `first` is the first message of an upload.
  absl::StatusOr<std::unique_ptr<ArtifactUpload>> Begin(const v1::UploadArtifactRequest& first);
  // Verifies and records it.
  absl::StatusOr<v1::UploadArtifactResponse> End(const v1::UploadArtifactRequest& first,
                                                 ArtifactUpload& upload);

  // Now and then: removes what came of artifacts whose builds are over.
  void Tick();

 private:
  absl::Status CheckLease(const std::string& build_id, const std::string& lease_id);
  absl::Status Record(const std::string& build_id, const std::string& lease_id, const v1::Artifact& artifact);

  Farm& farm_;
  ArtifactStore& artifacts_;
};

}  // namespace rootwright::master
