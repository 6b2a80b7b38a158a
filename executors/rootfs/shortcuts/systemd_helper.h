#pragma once

#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

// "systemd-helper": maintainer scripts call deb-systemd-helper, a Perl program, four times for
// each unit, and most of its time is Perl's start. A shell script stands in for it that does
// the common calls by itself, and hands all others to the original.
std::unique_ptr<Shortcut> MakeSystemdHelper();

}  // namespace rootwright
