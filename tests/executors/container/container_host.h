#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "executors/container/container_executor.h"
#include "executors/container/container_settings.h"
#include "executors/executor.h"
#include "tests/executors/libvirt/private_libvirtd.h"
#include "vmimages/machine_image.h"

namespace rootwright {

// A host for containers: a libvirtd of its own that shares a temporary folder, and the container's root of
// this checkout, made once in the cache (ROOTWRIGHT_CACHE). Throws where it cannot work.
class ContainerHost {
 public:
  // One for the program, made at its first use and gone after the last test.
  static ContainerHost& Get();

  ContainerHost();
  ~ContainerHost();

  PrivateLibvirtd& libvirtd() { return *libvirtd_; }
  ContainerSettings Settings() const;
  ContainerExecutor& executor() { return *executor_; }
  MachineImages& images() { return *images_; }
  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path folder() const { return folder_->path(); }
  // A build with a new work folder.
  EnvironmentSpec NewBuild();
  // Reached.
  std::unique_ptr<Environment> NewContainer(const EnvironmentSpec& spec);

 private:
  std::optional<ScopedFolder> folder_;
  std::unique_ptr<MachineImages> images_;
  std::filesystem::path root_;
  std::unique_ptr<PrivateLibvirtd> libvirtd_;
  std::unique_ptr<ContainerExecutor> executor_;
  int builds_ = 0;
};

// What a script in a container did.
struct Did {
  absl::Status status;
  CommandResult result;
  // Of both streams.
  std::string said;
};
Did Do(Environment& environment, const std::string& script);

}  // namespace rootwright
