#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "executors/executor.h"
#include "executors/libvirt/libvirt_connection.h"
#include "executors/qemu/qemu_environment.h"
#include "executors/qemu/qemu_settings.h"
#include "tests/executors/libvirt/private_libvirtd.h"
#include "vmimages/machine_image.h"

namespace rootwright {

// A host for machines: a libvirtd of its own in a temporary folder, and the machine image of
// this checkout, made once in the cache (ROOTWRIGHT_CACHE). Ends libvirtd, every machine it
// started and removes the folder, also when the test failed. Throws where it cannot work.
class QemuHost {
 public:
  QemuHost();

  void StartLibvirtd() { libvirtd_->Start(); }
  // Killed, so that its machines go on.
  void KillLibvirtd() { libvirtd_->Kill(); }

  QemuSettings Settings() const;
  // A build with a new work folder.
  EnvironmentSpec NewBuild();
  const MachineImage& image() const { return *image_; }
  MachineImages& images() { return *images_; }
  std::filesystem::path folder() const { return folder_->path(); }

 private:
  std::optional<ScopedFolder> folder_;
  std::unique_ptr<MachineImages> images_;
  std::optional<MachineImage> image_;
  std::unique_ptr<PrivateLibvirtd> libvirtd_;
  int builds_ = 0;
};

}  // namespace rootwright
