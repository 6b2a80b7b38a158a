#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "base/architecture.h"
#include "executors/libvirt/libvirt_connection.h"

namespace rootwright {

// What an agent's configuration says about machines.
struct QemuSettings {
  LibvirtSettings libvirt{.uri = "qemu:///system"};
  // Every build's work folder lies below it; machines with disks elsewhere are another agent's.
  std::filesystem::path work_folder;
  // Architectures that this host has to build, so that a missing emulator is a failed check. Empty: it may
  // offer all that it can, and has to build those foreign to it.
  std::set<Architecture> targets;
  // Unlisted architectures have DefaultCpuModel's.
  std::map<Architecture, std::string> cpu_models;
  // Memory that a machine takes beside its own, for translated code.
  int64_t translation_buffer_bytes = 256 << 20;
};

}  // namespace rootwright
