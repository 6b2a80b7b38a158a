#pragma once

#include <stop_token>

#include "absl/status/status.h"
#include "agent/config.h"
#include "agent/host.h"
#include "base/architecture.h"

namespace rootwright {

// What rootwright-agent does besides running builds. All print to standard output.

// The host's report; false when a check failed.
bool PrintHostReport(const AgentConfig& config, HostParts& host, bool json, std::stop_token stop);

// The machine image, made unless it is there.
absl::Status MakeImage(Executor& machines, Architecture architecture, std::stop_token stop);

// The root in which Portage packages are built, made with the default limits unless it is there.
// FailedPrecondition while an agent uses the state folder.
absl::Status MakeRoot(const AgentConfig& config, HostParts& host, Architecture architecture,
                      std::stop_token stop);

}  // namespace rootwright
