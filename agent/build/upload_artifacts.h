#pragma once

#include <memory>
#include <vector>

#include "agent/build/artifact_publisher.h"
#include "agent/build/event_writer.h"
#include "executors/step.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// The last step of every routine that has results: upload_artifacts. All arguments outlive it; the files are
// known when it runs.
std::unique_ptr<Step> MakeUploadArtifacts(const std::vector<ArtifactFile>& files, const v1::Lease& lease,
                                          ArtifactPublisher& publisher, EventWriter& writer);

v1::Artifact ToProto(const ArtifactFile& file);

}  // namespace rootwright
