#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "executors/rootfs/portage/portage_files.h"
#include "executors/rootfs/rootfs_request.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {

// Which ebuilds a build sees.
struct RepositoryChoice {
  // The main one first.
  std::vector<PortageRepository> repositories;
  // Those of the host that have to be shown inside: folder, place in the root.
  std::vector<std::pair<std::filesystem::path, std::string>> shared;
  // Where the host has each, by name.
  std::map<std::string, std::filesystem::path> folders;
  // Below the main repository's profiles/; empty: the root or the overlay says it (etc/portage/make.profile).
  std::string profile;
};

// The host's, then those in the build root itself (var/db/repos) that have other names, then the
// specification's own; one of those takes the place of one with its name. `source` is the specification's
// folder. FailedPrecondition, for the user, when there is none at all or no profile fits.
absl::StatusOr<RepositoryChoice> ChooseRepositories(const PortageSettings& settings,
                                                    const std::filesystem::path& source,
                                                    const BuildRoot& build_root,
                                                    const std::vector<HostRepository>& host,
                                                    const Platform& platform);

}  // namespace rootwright
