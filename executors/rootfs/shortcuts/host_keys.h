#pragma once

#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

// "ssh-host-keys": openssh-server's script makes three keys and takes up to half a minute
// for it under emulation. The host makes them; clean_up removes them like the script's own.
std::unique_ptr<Shortcut> MakeHostKeys();

}  // namespace rootwright
