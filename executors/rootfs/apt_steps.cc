#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "executors/rootfs/rootfs_steps.h"
#include "executors/rootfs/tree_files.h"

namespace rootwright {

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
