#pragma once

#include <memory>
#include <vector>

#include "executors/step.h"

namespace rootwright {

struct RootfsState;

// The steps of a build with Portage behind parse_packages: prepare_image, setup_environment,
// reach_environment, translate_packages, pre_install, install_packages, post_install, clean_up,
// archive_rootfs, pack_rootfs. `state` outlives them.
void AddPortageSteps(RootfsState& state, std::vector<std::unique_ptr<Step>>& steps);

// Imports the build root, lays over it what the specification comes to, asks Portage for its plan and has the
// source files of it.
std::unique_ptr<Step> MakeTranslateForPortage(RootfsState& state);
// The user's commands. They may change what Portage reads, so there is a new plan when there were any.
std::unique_ptr<Step> MakePreInstallForPortage(RootfsState& state);
std::unique_ptr<Step> MakeMergePackages(RootfsState& state);
std::unique_ptr<Step> MakePostInstallForPortage(RootfsState& state);

}  // namespace rootwright
