#pragma once

#include <memory>
#include <vector>

#include "executors/step.h"

namespace rootwright {

struct RootfsState;

// The steps of a build of Debian packages behind parse_packages: translate_packages, prepare_image,
// setup_environment, reach_environment, pre_install, install_packages, post_install, clean_up,
// archive_rootfs, pack_rootfs. `state` outlives them.
void AddAptSteps(RootfsState& state, std::vector<std::unique_ptr<Step>>& steps);

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

}  // namespace rootwright
