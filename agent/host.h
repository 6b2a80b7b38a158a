#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "agent/config.h"
#include "agent/host_executors.h"
#include "agent/journal/paths.h"
#include "executors/executor.h"
#include "executors/rootfs/roots/host_build_roots.h"
#include "rootwright/v1/agent.pb.h"
#include "vmimages/machine_image.h"

namespace rootwright {

// What this host builds with: images and the executors of machines and containers, made from the
// configuration.
struct HostParts {
  std::unique_ptr<MachineImages> images;
  std::unique_ptr<HostExecutors> executors;
  // Of Portage; uses the executors.
  std::unique_ptr<HostBuildRoots> roots;
  // Has our helper programs: the running one's own.
  std::filesystem::path programs;
};
absl::StatusOr<HostParts> MakeHostParts(const AgentConfig& config);

// The executors' own checks, and disk and memory. May take some seconds.
HostReport InspectHost(const AgentConfig& config, Executor& executors, std::stop_token stop);

// Memory that environments may have: as configured, or the host's less what it needs itself.
int64_t MemoryForBuilds(const AgentConfig& config);
// OK while the state folder's file system has room for a build at all.
absl::Status CheckDisk(const AgentConfig& config);

v1::Capabilities CapabilitiesOf(const AgentConfig& config, const HostReport& report);
// For `rootwright doctor`: {"checks": [{name, result, finding, remedy}], "targets": [{architecture,
// isolation, accelerated}]}.
std::string ToJson(const HostReport& report);
std::string ToText(const HostReport& report);

}  // namespace rootwright
