#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/build/artifact_publisher.h"
#include "agent/link/backoff.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// The two calls of the contract that carry artifacts: real, or a test's. Blocking; errors have the code of
// the call's status.
class ArtifactWire {
 public:
  virtual ~ArtifactWire() = default;
  virtual absl::StatusOr<v1::QueryArtifactResponse> Query(const v1::QueryArtifactRequest& request,
                                                          std::stop_token stop) = 0;
  // Sends what `next` gives until that is done (an empty request) or fails.
  using NextChunk = std::function<absl::StatusOr<v1::UploadArtifactRequest>()>;
  virtual absl::StatusOr<v1::UploadArtifactResponse> Upload(const NextChunk& next, std::stop_token stop) = 0;
};

// Publishes artifacts over a wire that may break at any byte.
class ArtifactUploader : public ArtifactPublisher {
 public:
  // Waits between two tries; a test's does not.
  using Pause = std::function<absl::Status(absl::Duration, std::stop_token)>;
  ArtifactUploader(ArtifactWire& wire, Pause pause) : wire_(wire), pause_(std::move(pause)) {}

  absl::Status Publish(const std::string& build_id, const std::string& lease_id, const ArtifactFile& artifact,
                       const ProgressSink& progress, Deadline deadline, std::stop_token stop) override;

 private:
  absl::Status TryOnce(const v1::QueryArtifactRequest& request, const ArtifactFile& artifact,
                       const ProgressSink& progress, std::stop_token stop);

  ArtifactWire& wire_;
  const Pause pause_;
};

}  // namespace rootwright
