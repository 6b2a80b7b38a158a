#pragma once

#include <cstdint>
#include <filesystem>

#include "executors/libvirt/libvirt_connection.h"

namespace rootwright {

// What an agent's configuration says about containers.
struct ContainerSettings {
  LibvirtSettings libvirt{.uri = "lxc:///system"};
  // Every build's work folder lies below it. libvirtd has to see what is mounted there: it shares the agent's
  // mount namespace, or the folder is on a shared mount of which libvirtd's namespace is a slave
  // (ci/private-libvirtd --share).
  std::filesystem::path work_folder;
  // Where the images are.
  std::filesystem::path image_folder;
  // Has <Debian architecture>/rootwright-guest; every user may pass it.
  std::filesystem::path guest_programs;
  // Users and groups of containers are 65,536 numbers each, from here on, in 4096 ranges. systemd-nspawn and
  // useradd give out lower numbers.
  uint32_t first_id = 0x70000000;
  // This host has to have containers, so that what they lack is a failed check and not a note.
  bool required = false;
};

}  // namespace rootwright
