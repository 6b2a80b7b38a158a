#pragma once

#include "absl/status/status.h"

namespace rootwright {

// Whose fault an infrastructure error is. It travels with the Status from where the error arose, so that
// nobody has to guess from its words.
enum class Fault {
  // The build host: disk full, out of memory, a tool missing.
  kHost,
  // libvirt or QEMU: not reachable, refused the domain, ended by itself.
  kHypervisor,
  // The guest: did not boot, stopped answering, broke the protocol.
  kGuest,
  // A server outside the farm: package mirror or git server.
  kRemote,
};

// The status with its fault; one that it has already stays.
absl::Status WithFault(absl::Status status, Fault fault);

// What WithFault set, or `otherwise`.
Fault FaultOf(const absl::Status& status, Fault otherwise);

}  // namespace rootwright
