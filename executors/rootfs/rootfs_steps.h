#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "executors/rootfs/manifest.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/step.h"

namespace rootwright {

// The steps that a rootfs build has whatever its package manager; apt/apt_steps.h and
// portage/portage_steps.h put their own between them. `state` outlives them.

inline constexpr char kParsePackages[] = "parse_packages";

// fetch_specs and parse_packages, which every build begins with.
void AddSpecificationSteps(RootfsState& state, std::vector<std::unique_ptr<Step>>& steps);

// Takes out of the product what belongs to its making. Where it is in the tree, e.g. "/target" ("" when it is
// the tree), is known when the step runs; `more` is a script of the package manager's own, with $R as that
// place.
std::unique_ptr<Step> MakeCleanUp(RootfsState& state, std::function<std::string()> product_root,
                                  std::string more);

// Takes what changed in the environment and lays it over the host's tree, which `prepare` makes first.
using PrepareTree = std::function<absl::Status(StepContext&)>;
std::unique_ptr<Step> MakeArchiveRootfs(RootfsState& state, PrepareTree prepare,
                                        std::function<std::string()> product_root);

// Packs the product, with a manifest of what `describe` finds in it. DataLoss from it is the user's failure:
// a command may have removed the package manager's database.
using DescribePackages = std::function<absl::StatusOr<ManifestParts>(const RootfsState&)>;
std::unique_ptr<Step> MakePackRootfs(RootfsState& state, DescribePackages describe);

}  // namespace rootwright
