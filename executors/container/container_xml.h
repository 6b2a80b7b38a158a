#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "executors/container/user_namespace.h"

namespace rootwright {

// A transient container of libvirt's own kind (lxc:///system). Its first process is the guest program, which
// inherits the connected socket number 3; it has a user namespace, a network of its own with nothing but
// "lo" (executors/network gives it more), its own /dev and /proc, and memory file systems on /run and
// /dev/shm.
struct ContainerDomain {
  std::string name;
  // As libvirt calls it: "x86_64".
  std::string architecture;
  int vcpus = 1;
  // Of all its processes and of its memory file systems together.
  int64_t memory_bytes = 0;
  IdRange ids;
  // Mounted, and owned by the first of `ids`.
  std::filesystem::path root;
  // Has rootwright-guest; seen at kGuestFolder, read-only, until the environment takes it away.
  std::filesystem::path guest_folder;
};

// Where a container finds the guest program when it starts.
inline constexpr char kGuestFolder[] = "/run/rootwright";

// What a package build works with, and no more: no mounts, no network, no tracing of others, no clock, no
// modules. In libvirt's spelling.
const std::vector<std::string>& ContainerCapabilities();

// libvirt's XML for it. Pure: text in, text out; everything that comes from outside is escaped.
std::string ContainerXml(const ContainerDomain& domain);

}  // namespace rootwright
