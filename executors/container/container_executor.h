#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "executors/container/container_settings.h"
#include "executors/container/user_namespace.h"
#include "executors/executor.h"
#include "executors/libvirt/libvirt_connection.h"
#include "vmimages/machine_image.h"

namespace rootwright {

// Makes containers of the host's own architecture through libvirt. Owns the connection; borrows the images,
// which outlive it. Environments may outlive it.
class ContainerExecutor : public Executor {
 public:
  // Works also while libvirt is not there yet: CheckHealth and Inspect then say so.
  static absl::StatusOr<std::unique_ptr<ContainerExecutor>> Create(const ContainerSettings& settings,
                                                                   MachineImages& images);

  absl::StatusOr<ImageInfo> PrepareImage(Architecture architecture, const ProgressSink& progress,
                                         const OutputSink& log, std::stop_token stop) override;
  // Unavailable when libvirt is out of reach. The image is made when PrepareImage was not called.
  absl::StatusOr<std::unique_ptr<Environment>> CreateEnvironment(const EnvironmentSpec& spec) override;
  // Only containers whose root lies below the settings' work folder are looked at. What is mounted below it
  // for builds not in `keep` is unmounted first, also when libvirt is out of reach.
  absl::StatusOr<std::vector<std::string>> Reap(const std::set<std::string>& keep) override;
  // Starts a container with nothing in it, which tells more than any list of conditions.
  HostReport Inspect(std::stop_token stop) override;
  absl::Status CheckHealth() override;

  // The same on any folder with the files of a root; for images of other kinds, and for the probe.
  absl::StatusOr<std::unique_ptr<Environment>> CreateEnvironmentOn(const std::filesystem::path& root,
                                                                   const EnvironmentSpec& spec);

 private:
  ContainerExecutor(const ContainerSettings& settings, MachineImages& images,
                    std::shared_ptr<LibvirtConnection> connection);

  // Users that no other container has had for 4096 containers.
  IdRange NextIds();

  const ContainerSettings settings_;
  MachineImages& images_;
  const std::shared_ptr<LibvirtConnection> connection_;
  std::atomic<uint32_t> next_range_;
};

}  // namespace rootwright
