#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "executors/rootfs/rootfs_state.h"

namespace rootwright {

// Names and versions of what the build was done with, e.g. {"apt-get", "2.6.1"}; found by asking the
// programs, the libraries and the environment. What is not there is left out.
std::map<std::string, std::string> ToolVersions(Environment& environment, Deadline deadline,
                                                std::stop_token stop);

// What a package manager has to say in a manifest.
struct ManifestParts {
  // Where packages came from.
  nlohmann::ordered_json package_manager;
  // One object for each, in a fixed order.
  nlohmann::ordered_json packages = nlohmann::ordered_json::array();
  // What they were built in; null when nothing was.
  nlohmann::ordered_json build_root;
};

// manifest.json: everything that says what a result is made of and how, as JSON with keys in
// a fixed order and a line end. `schema_version` is 1; a later one may add members.
std::string MakeManifest(const RootfsState& state, const ManifestParts& parts,
                         const std::map<std::string, std::string>& tools,
                         const std::vector<ArtifactFile>& archives);

}  // namespace rootwright
