#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "executors/container/container_cgroup.h"
#include "executors/container/container_settings.h"
#include "executors/container/container_xml.h"
#include "executors/executor.h"
#include "executors/guest/guest_channel.h"
#include "executors/libvirt/domain_environment.h"
#include "executors/libvirt/libvirt_connection.h"
#include "executors/network/outbound_network.h"

namespace rootwright {

// A container of libvirt: a transient LXC domain `rootwright-<build id>` whose root is an overlay over a
// read-only image, and rootwright-guest in it as the first process, on a socket that it inherits. When the
// agent dies that socket closes, and the container ends.
//
// What bounds it: memory and CPU libvirt's control group, processes ContainerCgroup; a command that met one
// of these says so in its result's cause. What it writes goes to the work folder, and a build that puts more
// there than its disk limit is ended by the agent's watchdog (agent/build/watchdog.h) within seconds: until
// then it may write as fast as the disk takes it, which is why a host keeps some disk free.
//
// In the work folder: container/root (mounted from Create to End), and the layers beside it.
class ContainerEnvironment : public DomainEnvironment {
 public:
  // Makes the root over `image_root`. InvalidArgument for a spec that no container can have;
  // ResourceExhausted, with figures, when the host has no room; MountShiftedOverlay's errors.
  static absl::StatusOr<std::unique_ptr<ContainerEnvironment>> Create(
      const EnvironmentSpec& spec, const std::filesystem::path& image_root, const ContainerSettings& settings,
      const IdRange& ids, std::shared_ptr<LibvirtConnection> connection);
  ~ContainerEnvironment() override;

  absl::Status Reach(Deadline deadline, std::stop_token stop) override;
  // The tree becomes the lower layer of a second overlay; nothing is copied.
  absl::StatusOr<std::string> ImportTree(const std::filesystem::path& tree, const OutputSink& sink,
                                         Deadline deadline, std::stop_token stop) override;
  // Shown by a mount; nothing is copied.
  absl::Status ShareInputs(const std::filesystem::path& folder, absl::string_view at, Deadline deadline,
                           std::stop_token stop) override;
  absl::Status ExportChanges(const std::filesystem::path& archive, Deadline deadline,
                             std::stop_token stop) override;
  std::string Describe() const override;

 private:
  ContainerEnvironment(ContainerDomain domain, const EnvironmentSpec& spec, std::string agent,
                       std::shared_ptr<LibvirtConnection> connection);

  absl::Status Start(UniqueFd guest_end, UniqueFd shell_end);
  // Takes hold of the first process and limits it, before anything else runs.
  absl::Status TakeHold();
  // Gives it the way out that its spec asks for, if it does.
  absl::Status ReachOut(Deadline deadline, std::stop_token stop);
  pid_t FirstProcess();
  absl::Status ExplainEnd(DomainWatch::Fate fate) override;
  absl::StatusOr<UniqueFd> ConnectShells(Deadline deadline, std::stop_token stop) override;
  // What of the limits a command met since the last look; empty when none.
  std::string TakeCause() override;
  // By its first process, else by libvirt.
  absl::Status Destroy() override;
  absl::Status CleanUp(bool by_force) override;

  const ContainerDomain domain_;
  const EnvironmentSpec spec_;
  const std::string agent_;

  // --- of the build's thread ---
  std::optional<ContainerCgroup> cgroup_;
  int64_t memory_kills_ = 0;
  int64_t refused_forks_ = 0;
  int inputs_ = 0;
  std::unique_ptr<OutboundNetwork> network_;

  Mutex mutex_;
  // Taken by the first shell.
  UniqueFd shell_socket_ RW_GUARDED_BY(mutex_);
  // Shared with a Kill that comes while the build's thread lets go of it.
  std::shared_ptr<UniqueFd> first_process_ RW_GUARDED_BY(mutex_);
  pid_t first_pid_ RW_GUARDED_BY(mutex_) = 0;
};

}  // namespace rootwright
