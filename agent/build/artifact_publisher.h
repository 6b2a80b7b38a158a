#pragma once

#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "executors/executor.h"
#include "executors/step.h"

namespace rootwright {

// Brings artifacts to the master.
class ArtifactPublisher {
 public:
  virtual ~ArtifactPublisher() = default;

  // Returns once the master holds the file whole and verified. Goes on from where an earlier try ended, and
  // tries again, with growing pauses, as long as the master is away. Cancelled and DeadlineExceeded are the
  // caller's; PermissionDenied when the lease is not in force any more; ResourceExhausted when the master has
  // no room.
  virtual absl::Status Publish(const std::string& build_id, const std::string& lease_id,
                               const ArtifactFile& artifact, const ProgressSink& progress, Deadline deadline,
                               std::stop_token stop) = 0;
};

}  // namespace rootwright
