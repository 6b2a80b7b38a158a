#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "executors/executor.h"

namespace rootwright {

// What the host needs for machines, each with its remedy.

// There is a machine image recipe for the architecture, and its emulator is installed. Failed when one is
// missing that is required, else degraded.
HostCheck CheckMachines(Architecture architecture, bool required);
// qemu-img and mke2fs are there.
HostCheck CheckImageTools();
// `probed` is ProbeKvm's answer. Without KVM all goes, more slowly.
HostCheck DescribeKvm(const absl::Status& probed);

// Architectures that there is a machine image recipe for.
std::vector<Architecture> MachineArchitectures();

}  // namespace rootwright
