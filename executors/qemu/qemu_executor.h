#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "executors/executor.h"
#include "executors/libvirt/libvirt_connection.h"
#include "executors/qemu/domain_xml.h"
#include "executors/qemu/qemu_settings.h"
#include "vmimages/machine_image.h"

namespace rootwright {

// Makes QEMU system machines through libvirt. Owns the connection; borrows the images, which
// outlive it. Environments may outlive it.
class QemuExecutor : public Executor {
 public:
  // Works also while libvirt is not there yet: CheckHealth and Inspect then say so.
  static absl::StatusOr<std::unique_ptr<QemuExecutor>> Create(const QemuSettings& settings,
                                                              MachineImages& images);

  absl::StatusOr<ImageInfo> PrepareImage(Architecture architecture, const ProgressSink& progress,
                                         const OutputSink& log, std::stop_token stop) override;
  // Unavailable when libvirt is out of reach. The image is made when PrepareImage was not called.
  absl::StatusOr<std::unique_ptr<Environment>> CreateEnvironment(const EnvironmentSpec& spec) override;
  // Only machines whose disks lie below the settings' work folder are looked at. Their files
  // are left: work folders are the caller's.
  absl::StatusOr<std::vector<std::string>> Reap(const std::set<std::string>& keep) override;
  HostReport Inspect(std::stop_token stop) override;
  absl::Status CheckHealth() override;

 private:
  QemuExecutor(const QemuSettings& settings, MachineImages& images,
               std::shared_ptr<LibvirtConnection> connection);

  // Whether the host's own architecture runs under KVM; probed once.
  absl::Status Kvm(std::stop_token stop);

  const QemuSettings settings_;
  MachineImages& images_;
  const std::shared_ptr<LibvirtConnection> connection_;

  Mutex mutex_;
  std::optional<absl::Status> kvm_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
