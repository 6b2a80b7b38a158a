#pragma once

#include <filesystem>
#include <vector>

#include "executors/rootfs/spec/portage_settings.h"
#include "executors/rootfs/spec/problem.h"

namespace rootwright {

// Whether the path, relative and clean, leads through folders alone; no link on it is followed.
bool IsFolderWithin(const std::filesystem::path& folder, const std::filesystem::path& relative);

// Looks through a specification's pre-install overlay, which may be missing, for what Portage
// and the translation have to know: files and folders of etc/portage, sets, own repositories.
// No link is followed. A repository without a good name becomes a problem.
PortageOverlay ReadPortageOverlay(const std::filesystem::path& specification_folder,
                                  std::vector<SpecProblem>& problems);

}  // namespace rootwright
