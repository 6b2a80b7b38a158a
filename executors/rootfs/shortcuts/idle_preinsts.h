#pragma once

#include "absl/strings/string_view.h"
#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

// "idle-preinsts": most preinst scripts only do something when a package is upgraded. Those
// of which this can be told from their text are not started at all.
std::unique_ptr<Shortcut> MakeIdlePreinsts();

// Whether `preinst install`, without an old version, is known to change nothing: it holds
// only dpkg-maintscript-helper calls and debhelper's blocks for upgrades, or it is one that
// was read (by digest).
bool IsIdlePreinst(absl::string_view script);

}  // namespace rootwright
