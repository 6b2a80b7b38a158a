#pragma once

#include <memory>

#include "executors/rootfs/rootfs_state.h"
#include "executors/step.h"

namespace rootwright {

// The steps between which a rootfs build goes, each in a file of its own (the first three
// share one). `state` outlives them.
std::unique_ptr<Step> MakeFetchSpecs(RootfsState& state);
std::unique_ptr<Step> MakeParsePackages(RootfsState& state);
std::unique_ptr<Step> MakeTranslatePackages(RootfsState& state);

// Makes the target's tree and gives it to the environment. On the host: packages downloaded
// and unpacked, the pre-install overlay laid over them, the host shortcuts that are switched
// on; then the tree is imported and the pre-install commands run in it. They see every
// package's files and the overlay, but no package's script has run: users other than
// Debian's base ones, alternatives and generated files are not there yet.
std::unique_ptr<Step> MakePreInstall(RootfsState& state);

// Runs the packages' own scripts in the environment: preinst, then dpkg --configure.
std::unique_ptr<Step> MakeInstallPackages(RootfsState& state);
std::unique_ptr<Step> MakePostInstall(RootfsState& state);
std::unique_ptr<Step> MakeCleanUp(RootfsState& state);
std::unique_ptr<Step> MakeArchiveRootfs(RootfsState& state);
std::unique_ptr<Step> MakePackRootfs(RootfsState& state);

}  // namespace rootwright
