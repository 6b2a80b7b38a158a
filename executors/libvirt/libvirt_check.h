#pragma once

#include "executors/executor.h"
#include "executors/libvirt/libvirt_connection.h"

namespace rootwright {

// libvirt answers: its version and URI, or what to do.
HostCheck CheckLibvirt(LibvirtConnection& connection);

}  // namespace rootwright
