#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "executors/rootfs/spec/portage_settings.h"

namespace rootwright {

// A repository of ebuilds inside the environment.
struct PortageRepository {
  // As its profiles/repo_name says: "gentoo".
  std::string name;
  // "/var/db/repos/gentoo"
  std::string location;
};

// How emerge is run for one build, besides what the specification says (spec/translation.h makes the files
// for that).
struct EmergeSettings {
  RootMode root_mode = RootMode::kSeparate;
  // Of kSeparate.
  std::string separate_root = "/target";
  // What the environment holds; the first is the main one.
  std::vector<PortageRepository> repositories;
  // A folder below the main repository's profiles/: "default/linux/amd64/23.0", "amd64". Empty: what is
  // linked at /etc/portage/make.profile.
  std::string profile;
  int jobs = 1;
  // The environment's own root is Debian's: packages link against separate_root, and nothing of Debian's may
  // be overwritten. False for a real Gentoo stage.
  bool debian_root = true;
  // Where the environment sees what the host hands in.
  std::string distfiles = "/var/cache/distfiles";
  // Folders to be looked into before that one.
  std::vector<std::string> shared_distfiles;
  std::string binary_packages = "/var/cache/binpkgs";
  // Where it sees the folder that BinaryPackageCache hands out, read-only; the index of that belongs into
  // `binary_packages`, where new packages are made.
  std::string cached_packages = "/var/cache/rootwright/binpkgs";
  // Binary packages that are there may be merged, and new ones are made.
  bool use_binary_packages = false;
  // All that is merged is binary: nothing is compiled that would take all CPUs, so that several packages are
  // merged at a time, and one waits for the other where it has to (FEATURES=parallel-install).
  bool merges_binaries_alone = false;
  // And one at most has functions of its own that run then (pkg_postinst, …), so that none has to wait for
  // another's: Portage's locks for that take longer than most such packages.
  bool functions_never_meet = false;
  // Before any address of an ebuild's own; usually none, as the host fetches.
  std::vector<std::string> mirrors;
  bool keep_going = false;
};

// A file or, with a link target, a symbolic link to lay over a root. Owner root.
struct PortageFile {
  // Absolute, in the root.
  std::string path;
  std::string content;
  std::string link_target;
  int mode = 0644;
};

// What is laid over the root before the specification's own files, which may replace any of it: make.conf
// (CHOST, flags), repos.conf, the profile. InvalidArgument names a setting that a configuration file cannot
// hold.
absl::StatusOr<std::vector<PortageFile>> PortageFiles(const EmergeSettings& settings);

// What is set for emerge itself, stronger than any make.conf: roots, caches, and the FEATURES that Rootwright
// relies on.
std::map<std::string, std::string> PortageVariables(const EmergeSettings& settings);

// emerge's options for a merge as for its dry run; the packages come behind them.
std::vector<std::string> EmergeOptions(const EmergeSettings& settings);

// Writes them below `folder`, an empty one of ours, as an overlay that PlaceOverlay (spec/overlay.h) then
// places.
absl::Status WritePortageFiles(const std::vector<PortageFile>& files, const std::filesystem::path& folder);

}  // namespace rootwright
