#pragma once

#include <memory>
#include <string>

#include "executors/executor.h"
#include "executors/guest/guest_channel.h"
#include "executors/libvirt/domain_environment.h"
#include "executors/libvirt/libvirt_connection.h"
#include "executors/network/machine_network.h"
#include "executors/qemu/domain_xml.h"
#include "executors/qemu/machine_files.h"
#include "executors/qemu/qemu_settings.h"

namespace rootwright {

// A QEMU system machine: a transient libvirt domain `rootwright-<build id>` with an overlay of
// the image, and rootwright-guest in it as the first process.
//
// A machine that ends by itself fails the running call with Unavailable and the last console
// lines: the guest's fault when it panicked or switched itself off, else QEMU's. One call survives libvirt's
// absence as long as it is back within LibvirtSettings::loss_grace; then it is Unavailable, naming libvirt.
// Reach returns DeadlineExceeded when the machine does not answer in time.
class QemuEnvironment : public DomainEnvironment {
 public:
  // Makes the files. InvalidArgument for a spec that no machine can have; else MachineFiles' errors.
  static absl::StatusOr<std::unique_ptr<QemuEnvironment>> Create(
      const EnvironmentSpec& spec, const MachineImage& image, const QemuSettings& settings,
      DomainSpec::Accelerator accelerator, std::shared_ptr<LibvirtConnection> connection);
  ~QemuEnvironment() override;

  absl::Status Reach(Deadline deadline, std::stop_token stop) override;
  // The tree becomes the read-only lower layer of an overlay whose upper layer is on the
  // machine's root disk.
  absl::StatusOr<std::string> ImportTree(const std::filesystem::path& tree, const OutputSink& sink,
                                         Deadline deadline, std::stop_token stop) override;
  // Each folder becomes a file system on a disk of its own.
  absl::Status ShareInputs(const std::filesystem::path& folder, absl::string_view at, Deadline deadline,
                           std::stop_token stop) override;
  absl::Status ExportChanges(const std::filesystem::path& archive, Deadline deadline,
                             std::stop_token stop) override;
  std::string Describe() const override;

 private:
  QemuEnvironment(DomainSpec domain, MachineFiles files, const EnvironmentSpec& spec,
                  std::shared_ptr<LibvirtConnection> connection);

  // The console knows it also when the event was missed while libvirt was away.
  absl::Status ExplainEnd(DomainWatch::Fate fate) override;
  std::string Evidence() override;
  absl::StatusOr<UniqueFd> ConnectShells(Deadline deadline, std::stop_token stop) override;
  // By libvirt, else by the process itself.
  absl::Status Destroy() override;
  absl::Status CleanUp(bool by_force) override;
  absl::Status ConnectNetwork(Deadline deadline, std::stop_token stop);
  absl::Status ConnectGuest(Deadline deadline, std::stop_token stop);
  absl::Status MountTree(GuestChannel& channel, Deadline deadline, std::stop_token stop);

  const DomainSpec domain_;
  MachineFiles files_;
  const int64_t disk_bytes_;
  // Disks for inputs that are in use. Of the build's thread.
  int inputs_ = 0;
  // Of one that reaches out, from its start to its end.
  std::unique_ptr<MachineNetwork> network_;
};

}  // namespace rootwright
