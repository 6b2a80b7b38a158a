#pragma once

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {

// What a Debian root gets besides its packages, put into the unpacked tree on the host:
// device nodes as mmdebstrap makes them, apt's sources.list, policy-rc.d that lets no
// service start, and our work folder. Needs root.
absl::Status AddTreeFiles(const std::filesystem::path& tree, const AptSettings& settings,
                          const std::string& mirror);

// The policy that invoke-rc.d asks: 101, not allowed.
inline constexpr char kPolicyPath[] = "usr/sbin/policy-rc.d";
inline constexpr char kPolicy[] = "#!/bin/sh\n# Placed by Rootwright while it builds.\nexit 101\n";

}  // namespace rootwright
