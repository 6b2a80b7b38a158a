#pragma once

#include <optional>

#include "base/architecture.h"
#include "rootwright/v1/build.pb.h"

namespace rootwright {

// Between our architectures and the contract's.

inline v1::Architecture ToProto(Architecture architecture) {
  switch (architecture) {
    case Architecture::kAmd64:
      return v1::ARCHITECTURE_AMD64;
    case Architecture::kArm64:
      return v1::ARCHITECTURE_ARM64;
    case Architecture::kArmhf:
      return v1::ARCHITECTURE_ARMHF;
    case Architecture::kRiscv64:
      return v1::ARCHITECTURE_RISCV64;
    case Architecture::kArmel:
      return v1::ARCHITECTURE_ARMEL;
  }
  return v1::ARCHITECTURE_UNSPECIFIED;
}

// Absent for one that we do not know, such as a newer peer's.
inline std::optional<Architecture> FromProto(v1::Architecture architecture) {
  for (const Architecture ours : {Architecture::kAmd64, Architecture::kArm64, Architecture::kArmhf,
                                  Architecture::kRiscv64, Architecture::kArmel}) {
    if (ToProto(ours) == architecture) return ours;
  }
  return std::nullopt;
}

}  // namespace rootwright
