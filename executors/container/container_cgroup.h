#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rootwright {

// The limits of one container that libvirt does not set itself (processes; no swap beside the memory), and
// what the kernel counts when a limit is met. On version 1 libvirt makes no group for processes: there is one
// of ours, rootwright-<agent>-<name>. On version 2 the limit stands in libvirt's group.
class ContainerCgroup {
 public:
  // Before the container's first command: `init` is its only process.
  static absl::StatusOr<ContainerCgroup> Create(pid_t init, const std::string& agent, const std::string& name,
                                                int processes);

  // Processes that the kernel killed since the memory limit was met; forks that it refused for want of room.
  int64_t memory_kills() const;
  int64_t refused_forks() const;

  // The group of ours. Fails while a process is in it; OK when there is none.
  absl::Status Remove();

  // Groups of ours in which nobody is any more, and whose container is not in use.
  static void RemoveLeftovers(const std::string& agent);
  // The groups that libvirt made for a container which has ended, when libvirtd did not live to remove them.
  static void RemoveOfLibvirt(const std::string& name);

 private:
  // Counters' files.
  std::filesystem::path memory_events_;
  std::filesystem::path process_events_;
  // Empty when it is libvirt's.
  std::filesystem::path own_;
};

// Names the groups of one agent on a host with several: a short digest of its work folder.
std::string CgroupAgentName(const std::filesystem::path& work_folder);

}  // namespace rootwright
