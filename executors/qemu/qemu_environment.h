#pragma once

#include <memory>
#include <string>

#include "base/mutex.h"
#include "executors/environment.h"
#include "executors/executor.h"
#include "executors/guest/guest_channel.h"
#include "executors/libvirt/domain_watch.h"
#include "executors/libvirt/libvirt_connection.h"
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
class QemuEnvironment : public Environment {
 public:
  // Makes the files. InvalidArgument for a spec that no machine can have; else MachineFiles' errors.
  static absl::StatusOr<std::unique_ptr<QemuEnvironment>> Create(
      const EnvironmentSpec& spec, const MachineImage& image, const QemuSettings& settings,
      DomainSpec::Accelerator accelerator, std::shared_ptr<LibvirtConnection> connection);
  ~QemuEnvironment() override;

  absl::Status Reach(Deadline deadline, std::stop_token stop) override;
  absl::StatusOr<CommandResult> Run(const EnvironmentCommand& command, const OutputSink& sink,
                                    Deadline deadline, std::stop_token stop) override;
  absl::Status PutFile(absl::string_view path, int mode, absl::string_view content, Deadline deadline,
                       std::stop_token stop) override;
  absl::Status GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink, Deadline deadline,
                       std::stop_token stop) override;
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
  std::map<std::string, std::string> Tools() override;
  absl::StatusOr<absl::Duration> CpuTime() override;
  absl::Status End(absl::Duration grace) override;
  void Kill() override;

 private:
  QemuEnvironment(DomainSpec domain, MachineFiles files, int64_t disk_bytes,
                  std::shared_ptr<LibvirtConnection> connection);

  // The channel, or why there is none.
  absl::StatusOr<std::shared_ptr<GuestChannel>> Channel();
  void SetChannel(std::shared_ptr<GuestChannel> channel);
  // What a failed call of the channel means: the machine's fate goes before the channel's words.
  absl::Status Explain(const absl::Status& status, const std::stop_token& stop);
  // Of a machine that ended and was not killed by us.
  absl::Status ExplainEnd(DomainWatch::Fate fate) const;
  absl::Status ConnectGuest(Deadline deadline, std::stop_token stop);
  absl::Status MountTree(GuestChannel& channel, Deadline deadline, std::stop_token stop);
  // By libvirt, else by the process itself.
  absl::Status Destroy();

  const DomainSpec domain_;
  MachineFiles files_;
  const int64_t disk_bytes_;
  const std::shared_ptr<LibvirtConnection> connection_;
  DomainWatch watch_;
  // Disks for inputs that are in use. Of the build's thread.
  int inputs_ = 0;

  enum class Phase { kMade, kStarted, kEnded };
  Mutex mutex_;
  Phase phase_ RW_GUARDED_BY(mutex_) = Phase::kMade;
  // Shared with a Kill that comes while the build's thread lets go of it.
  std::shared_ptr<GuestChannel> channel_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
