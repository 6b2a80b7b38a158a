#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// The calling thread's last libvirt error as "what: object: libvirt's message", with the code
// that fits: NotFound for a domain that is not there, AlreadyExists for one that is,
// Unavailable when the daemon is out of reach, InvalidArgument for XML it refuses,
// PermissionDenied, else Internal.
absl::Status LibvirtStatus(absl::string_view what, absl::string_view object);

}  // namespace rootwright
