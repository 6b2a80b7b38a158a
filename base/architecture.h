#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace rootwright {

// Architectures that we build for; one row each in architecture.cc.
enum class Architecture { kAmd64, kArm64, kArmhf, kRiscv64, kArmel };

// What the tools call it.
struct ArchitectureNames {
  Architecture architecture;
  // Debian's name, also ours: "arm64".
  const char* debian;
  // GNU triplet: "aarch64-linux-gnu".
  const char* triplet;
  // The system emulator: "qemu-system-aarch64".
  const char* qemu;
  // uname -m: "aarch64".
  const char* machine;
  // libvirt's <type arch=…>: "aarch64".
  const char* libvirt;
  // The calling convention of Debian's packages, as compilers spell it: "lp64".
  const char* abi;
};

const ArchitectureNames& NamesOf(Architecture architecture);
std::optional<Architecture> ArchitectureFromDebianName(absl::string_view name);
// Of the machine that this runs on.
Architecture HostArchitecture();

}  // namespace rootwright
