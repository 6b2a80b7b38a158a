#pragma once

#include <memory>
#include <string>

#include "agent/build/artifact_publisher.h"

namespace grpc {
class Channel;
}

namespace rootwright {

// Brings results to the master beside the session: asks what is there already, sends the rest in parts, and starts
// again from the committed offset after every broken connection. Thread-safe.
class ArtifactUploader : public ArtifactPublisher {
 public:
  explicit ArtifactUploader(std::shared_ptr<grpc::Channel> channel) : channel_(std::move(channel)) {}

  absl::Status Publish(const std::string& build_id, const std::string& lease_id, const ArtifactFile& artifact,
                       const ProgressSink& progress, Deadline deadline, std::stop_token stop) override;

 private:
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace rootwright
