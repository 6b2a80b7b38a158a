#pragma once

#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

// "maintscript-helper": packages call dpkg-maintscript-helper to move files of earlier versions. A new root
// has no earlier versions, yet each of some 60 calls starts dpkg to check a version number. The stand-in sees
// by shell builtins that there is nothing to do, and hands everything else to the original.
std::unique_ptr<Shortcut> MakeMaintscriptHelper();

}  // namespace rootwright
