#pragma once

#include <stop_token>

#include "absl/status/status.h"
#include "base/architecture.h"

namespace rootwright {

// Boots a guest of a few instructions under KVM, which then ends the machine, within 10 s. A
// device node proves nothing: inside other virtual machines it is often there while guests
// hang. OK when it booted. NotFound when /dev/kvm or QEMU is missing, Unimplemented when
// there is no such guest for the architecture, DeadlineExceeded when it hung.
absl::Status ProbeKvm(Architecture host, std::stop_token stop);

}  // namespace rootwright
