#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "executors/rootfs/build_roots.h"
#include "executors/rootfs/portage/binary_package_cache.h"
#include "executors/rootfs/portage/emerge_plan.h"
#include "executors/rootfs/portage/portage_files.h"

namespace rootwright {

// Where a build's inputs are seen, in the root in which packages are built. On a file system in memory, so
// that no trace of them is in a product.
inline constexpr char kPortageInputs[] = "/run/rootwright/inputs";
// Followed by a number, from 0.
inline constexpr char kPortageDistfiles[] = "/run/rootwright/distfiles/";
inline constexpr char kPortagePackages[] = "/run/rootwright/binpkgs";

// What the steps of a Portage build share beside RootfsState; each member says which step sets it.
struct PortageBuild {
  // prepare_image.
  BuildRoot build_root;
  // translate_packages. `plan` anew by pre_install when it ran commands.
  EmergeSettings settings;
  std::vector<std::string> world;
  EmergePlan plan;
  // Names of source files that the environment has been shown.
  std::set<std::string> distfiles;
  // Where the host has the ebuilds of each repository, by name.
  std::map<std::string, std::filesystem::path> recipes;
  // What the cache of binary packages has for this build; null where none is used.
  std::unique_ptr<HandedOutPackages> packages;
  std::filesystem::path packages_folder;

  // "" or "/target": where packages go, in the root in which they are built.
  std::string product_root() const {
    return settings.root_mode == RootMode::kSeparate ? settings.separate_root : "";
  }
};

}  // namespace rootwright
