#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "debian/apt.h"
#include "executors/preparation.h"
#include "executors/rootfs/rootfs_request.h"
#include "executors/rootfs/shortcuts/shortcut.h"
#include "executors/rootfs/spec/platforms.h"
#include "executors/rootfs/spec/specification.h"
#include "executors/source.h"

namespace rootwright {

// What one package manager's steps have besides, known here by name alone: apt/debian_root.h,
// portage/portage_build.h.
class DebianRoot;
struct PortageBuild;

// Where a build keeps its things below its private folder (executor.h):
//
//   source/       the checked-out repository
//   inputs/       what the environment is shown besides its tree
//   tree/         the root filesystem as the host sees it
//   changes.tar   what the environment changed in it
//   records/      plan and logs, for people
//   artifacts/    results
struct RootfsPaths {
  explicit RootfsPaths(std::filesystem::path private_folder) : folder(std::move(private_folder)) {}
  std::filesystem::path source() const { return folder / "source"; }
  std::filesystem::path inputs() const { return folder / "inputs"; }
  std::filesystem::path records() const { return folder / "records"; }
  std::filesystem::path tree() const { return folder / "tree"; }
  std::filesystem::path changes() const { return folder / "changes.tar"; }
  std::filesystem::path artifacts() const { return folder / "artifacts"; }
  std::filesystem::path folder;
};

// Our own folder inside the tree while it is being made; clean_up removes it.
inline constexpr char kTreeWorkFolder[] = ".rootwright";

// What the steps of one rootfs build share. Owned by the routine, as is what it refers to; each
// member says which step sets it. Only the build's thread touches it.
struct RootfsState {
  RootfsState(const RootfsRequest& asked, const RootfsHost& on, Executor& executor, DebianRoot& debian_root,
              PortageBuild& portage_build)
      : request(asked),
        host(on),
        paths(asked.environment.private_folder()),
        preparation{executor, asked.environment, asked.boot_limit, {}, nullptr, false},
        debian(debian_root),
        portage(portage_build) {}

  const RootfsRequest request;
  const RootfsHost host;
  const RootfsPaths paths;
  Preparation preparation;
  DebianRoot& debian;
  // Of a specification for Portage; its steps say when what is set.
  PortageBuild& portage;

  // fetch_specs.
  FetchedSource source;
  // What SOURCE_DATE_EPOCH says; known once the source is.
  absl::Time source_date() const { return request.source_date.value_or(source.commit_time); }
  // parse_packages.
  Specification specification;
  // parse_packages of a specification for Portage.
  Platform platform;
  // translate_packages of a specification for Debian packages.
  AptPlan plan;
  // The step that imports the tree: its place inside the environment, empty before.
  std::string root;
  // pre_install of Debian packages.
  std::vector<UsedShortcut> shortcuts;
  // By name, in the order in which they ended; for the manifest.
  std::vector<std::pair<std::string, absl::Duration>> step_times;
  // What tells how a build went, whether it went well or not: plan.json, logs of packages that failed.
  std::vector<ArtifactFile> records;
  // archive_rootfs: the result on the host, in paths.tree() or below it.
  std::filesystem::path product;
  bool archived = false;
  // pack_rootfs.
  std::vector<ArtifactFile> artifacts;
};

}  // namespace rootwright
