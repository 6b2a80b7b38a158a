#pragma once

#include <set>
#include <string>
#include <vector>

#include "executors/rootfs/spec/portage_atom.h"

namespace rootwright {

// Where packages go. What commands see in each is told in docs/specs.md.
enum class RootMode {
  // Into the environment's own root, which becomes the product; as embEDUx did it.
  kInPlace,
  // Into a root of their own beside the environment's: what was only needed to build stays out.
  kSeparate,
};

// Changes of its own configuration that Portage may propose when a plan does not work out.
enum class PlanChange { kUse, kKeywords, kLicense, kMask };

// Flags or keywords in the order of the file: those to switch on, and those to switch off.
// No word is in a list twice, and none in both.
struct SignedWords {
  std::vector<std::string> on;
  std::vector<std::string> off;
  bool empty() const { return on.empty() && off.empty(); }
};

struct PortageOptions {
  SignedWords use;
  SignedWords keywords;
};

struct PortagePackage {
  PortageAtom atom;
  PortageOptions options;
  // Where it stands in configuration.yml.
  int line = 0;
  int column = 0;
};

// An ebuild repository that is a part of the pre-install overlay.
struct OwnRepository {
  // From its profiles/repo_name.
  std::string name;
  // Absolute in the target: "/var/db/repos/local".
  std::string location;
  // The overlay's repos.conf or make.conf names it; otherwise the translation does.
  bool declared = false;
};

// What the pre-install overlay brings for Portage.
struct PortageOverlay {
  // Paths in the root, without the leading "/", of files below etc/portage that are plain
  // files: "etc/portage/package.use". What Rootwright has to add goes behind what they hold.
  std::set<std::string> files;
  // The same of folders.
  std::set<std::string> folders;
  // Names of etc/portage/sets.
  std::vector<std::string> sets;
  std::vector<OwnRepository> repositories;
};

// The Portage part of a specification.
struct PortageSettings {
  RootMode root_mode = RootMode::kInPlace;
  // What a build may change by itself; anything else that Portage proposes fails it.
  std::set<PlanChange> allowed_changes;
  // For every package.
  PortageOptions global;
  // In the order of the file, no atom twice.
  std::vector<PortagePackage> packages;
  // Known when the specification was read from a folder.
  PortageOverlay overlay;
};

}  // namespace rootwright
