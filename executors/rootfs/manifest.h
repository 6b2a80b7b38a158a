#pragma once

#include <string>
#include <vector>

#include "executors/rootfs/installed_packages.h"
#include "executors/rootfs/rootfs_state.h"

namespace rootwright {

// Names and versions of what the host's part was done with, e.g. {"apt", "2.6.1"}; found by
// asking the programs. What is not there is left out.
std::vector<std::pair<std::string, std::string>> ToolVersions(Deadline deadline, std::stop_token stop);

// manifest.json: everything that says what a result is made of and how, as JSON with keys in
// a fixed order and a line end. `schema_version` is 1; a later one may add members.
std::string MakeManifest(const RootfsState& state, const std::vector<InstalledPackage>& packages,
                         const std::vector<std::pair<std::string, std::string>>& tools,
                         const std::vector<ArtifactFile>& archives);

}  // namespace rootwright
