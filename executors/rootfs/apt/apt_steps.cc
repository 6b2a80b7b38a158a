#include "executors/rootfs/apt/apt_steps.h"

#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/rootfs/apt/installed_packages.h"
#include "executors/rootfs/apt/tree_files.h"
#include "executors/rootfs/rootfs_steps.h"

namespace rootwright {
namespace {

// From dpkg's own database. ReadDpkgStatus' errors.
absl::StatusOr<ManifestParts> DescribeDebianPackages(const RootfsState& state) {
  RW_ASSIGN_OR_RETURN(const std::vector<InstalledPackage> packages, ReadDpkgStatus(state.product));
  ManifestParts parts;
  parts.package_manager = {{"name", "apt"},
                           {"mirror", state.host.apt_mirror},
                           {"suite", state.specification.apt.suite},
                           {"components", state.specification.apt.components}};
  for (const InstalledPackage& package : packages) {
    parts.packages.push_back(
        {{"name", package.name}, {"version", package.version}, {"architecture", package.architecture}});
  }
  return parts;
}

}  // namespace

void AddAptSteps(RootfsState& state, std::vector<std::unique_ptr<Step>>& steps) {
  const auto whole_tree = [] { return std::string(); };
  steps.push_back(MakeTranslatePackages(state));
  AddPreparingSteps(state.preparation, steps);
  steps.push_back(MakePreInstall(state));
  steps.push_back(MakeInstallPackages(state));
  steps.push_back(MakePostInstall(state));
  // Ours only: an overlay may have replaced it.
  steps.push_back(MakeCleanUp(state, whole_tree,
                              absl::StrCat("if grep -qs 'Placed by Rootwright' \"$R\"/", kPolicyPath,
                                           "; then rm \"$R\"/", kPolicyPath, "; fi\n")));
  // The host has the tree that the environment got a copy of.
  steps.push_back(MakeArchiveRootfs(
      state, [](StepContext&) { return absl::OkStatus(); }, whole_tree));
  steps.push_back(MakePackRootfs(state, DescribeDebianPackages));
}

}  // namespace rootwright
