#include "base/architecture.h"

#include <sys/utsname.h>

#include <array>

namespace rootwright {
namespace {

constexpr std::array<ArchitectureNames, 5> kNames = {{
    {Architecture::kAmd64, "amd64", "x86_64-linux-gnu", "qemu-system-x86_64", "x86_64", "x86_64", "lp64"},
    {Architecture::kArm64, "arm64", "aarch64-linux-gnu", "qemu-system-aarch64", "aarch64", "aarch64", "lp64"},
    {Architecture::kArmhf, "armhf", "arm-linux-gnueabihf", "qemu-system-arm", "armv7l", "armv7l",
     "gnueabihf"},
    {Architecture::kRiscv64, "riscv64", "riscv64-linux-gnu", "qemu-system-riscv64", "riscv64", "riscv64",
     "lp64d"},
    {Architecture::kArmel, "armel", "arm-linux-gnueabi", "qemu-system-arm", "armv6l", "armv6l", "gnueabi"},
}};

}  // namespace

const ArchitectureNames& NamesOf(Architecture architecture) {
  return kNames[static_cast<size_t>(architecture)];
}

std::optional<Architecture> ArchitectureFromDebianName(absl::string_view name) {
  for (const ArchitectureNames& names : kNames) {
    if (name == names.debian) return names.architecture;
  }
  return std::nullopt;
}

Architecture HostArchitecture() {
  utsname host;
  uname(&host);
  for (const ArchitectureNames& names : kNames) {
    if (absl::string_view(host.machine) == names.machine) return names.architecture;
  }
  return Architecture::kAmd64;
}

}  // namespace rootwright
