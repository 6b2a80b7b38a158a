#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rootwright {

// The first file system of a machine, as a cpio archive for the kernel's initrd:
//
//   /init             the guest program
//   /modules/*.ko     kernel modules
//   /modules/load     their paths, one a line, in the order in which they can be loaded
//   /modules/load-network
//                     the same, of those for a machine with a network card
//   /dev /proc /sys   empty folders to mount on; /dev/console
//
// Not compressed: an emulated CPU unpacks more slowly than QEMU copies. `modules` and
// `network_modules` are files in loading order.
absl::StatusOr<std::string> BuildInitrd(const std::filesystem::path& guest_program,
                                        const std::vector<std::filesystem::path>& modules,
                                        const std::vector<std::filesystem::path>& network_modules);

}  // namespace rootwright
