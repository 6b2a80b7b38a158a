#include "executors/rootfs/portage/portage_steps.h"

#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "executors/rootfs/portage/package_database.h"
#include "executors/rootfs/portage/portage_build.h"
#include "executors/rootfs/rootfs_steps.h"

namespace rootwright {
namespace {

// Of Portage's own making; $R is where the product is. Beside a product of its own, what is left of building
// is in nobody's way but for its size. A command of the user's may have made files in the place of devices.
constexpr char kCleanUpPortage[] = R"(for root in "" "$R"; do
  rm -rf "$root"/var/tmp/portage "$root"/var/cache/distfiles/* "$root"/var/cache/distfiles/.??* \
    "$root"/var/cache/binpkgs/* "$root"/var/cache/edb/* "$root"/var/log/portage/* "$root"/var/log/emerge.log \
    "$root"/var/log/emerge-fetch.log "$root"/var/lib/portage/preserved_libs_registry.lock
  find "$root"/var/db/pkg "$root"/var/lib/portage -name '*.portage_lockfile' -exec rm -f {} + 2>/dev/null || :
done
if [ -n "$R" ]; then
  for entry in "$R"/dev/*; do [ ! -f "$entry" ] || rm "$entry"; done
fi
)";

// Makes the image of the environment and the root in which packages are built ready.
class PrepareImages : public Step {
 public:
  PrepareImages(RootfsState& state, std::unique_ptr<Step> environment)
      : state_(state), environment_(std::move(environment)) {}
  std::string name() const override { return environment_->name(); }
  Place place() const override { return environment_->place(); }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    RW_ASSIGN_OR_RETURN(StepResult result, environment_->Apply(context));
    if (!result.ok()) return result;
    const ProgressSink progress = [&](const ProgressUpdate& update) { context.reporter.Progress(update); };
    absl::StatusOr<BuildRoot> root = state_.host.build_roots->Prepare(
        state_.platform.image, state_.request.environment, state_.request.boot_limit, progress,
        context.LogSink(), context.stop);
    if (absl::IsNotFound(root.status())) {
      return StepResult::Failed(
          absl::StrCat("platform ", state_.platform.name, ": ", std::string(root.status().message())));
    }
    RW_ASSIGN_OR_RETURN(state_.portage.build_root, std::move(root));
    const BuildRoot& made = state_.portage.build_root;
    context.reporter.Log(OutputStream::kStdout,
                         absl::StrCat("build root ", made.name, " ", made.digest, "\n"));
    absl::StrAppend(&result.summary, ", ", made.name);
    return result;
  }

 private:
  RootfsState& state_;
  const std::unique_ptr<Step> environment_;
};

// Beside a product of its own nothing of the build root is wanted; one in place is the build root, changed.
absl::Status PrepareTreeForPortage(RootfsState& state, StepContext& context) {
  const std::filesystem::path tree = state.paths.tree();
  std::error_code error;
  std::filesystem::remove_all(tree, error);
  RW_RETURN_IF_ERROR(MakeFolders(tree));
  if (!state.portage.product_root().empty()) return absl::OkStatus();
  context.reporter.Progress({0, 0, "copying", state.portage.build_root.name});
  SubprocessSpec copy;
  copy.argv = {"cp",         "-a", "--reflink=auto", "--", (state.portage.build_root.tree / ".").string(),
               tree.string()};
  return CheckSubprocess(copy, context.deadline, context.stop).status();
}

absl::StatusOr<ManifestParts> DescribePortagePackages(const RootfsState& state) {
  const PortageBuild& portage = state.portage;
  ManifestParts parts;
  nlohmann::ordered_json repositories = nlohmann::ordered_json::array();
  for (const PortageRepository& repository : portage.settings.repositories)
    repositories.push_back(repository.name);
  parts.package_manager = {{"name", "portage"},
                           {"version", portage.plan.portage},
                           {"root_mode", portage.product_root().empty() ? "in_place" : "separate"},
                           {"platform", state.platform.name},
                           {"profile", portage.settings.profile},
                           {"repositories", std::move(repositories)}};
  parts.build_root = {{"name", portage.build_root.name}, {"digest", portage.build_root.digest}};
  RW_ASSIGN_OR_RETURN(const std::vector<MergedPackage> packages, ReadPackageDatabase(state.product));
  std::map<std::string, bool> binary;
  for (const PlannedPackage& package : portage.plan.packages) binary[package.cpv] = package.binary;
  for (const MergedPackage& package : packages) {
    parts.packages.push_back({{"name", package.name},
                              {"version", package.version},
                              {"slot", package.slot},
                              {"repository", package.repository},
                              {"use", package.use}});
    // Of what was there before this build nothing is known.
    if (const auto made = binary.find(absl::StrCat(package.name, "-", package.version)); made != binary.end())
      parts.packages.back()["from"] = made->second ? "binary" : "source";
  }
  return parts;
}

}  // namespace

void AddPortageSteps(RootfsState& state, std::vector<std::unique_ptr<Step>>& steps) {
  const auto product_root = [&state] { return state.portage.product_root(); };
  std::vector<std::unique_ptr<Step>> preparing;
  AddPreparingSteps(state.preparation, preparing);
  preparing.front() = std::make_unique<PrepareImages>(state, std::move(preparing.front()));
  for (std::unique_ptr<Step>& step : preparing) steps.push_back(std::move(step));
  steps.push_back(MakeTranslateForPortage(state));
  steps.push_back(MakePreInstallForPortage(state));
  steps.push_back(MakeMergePackages(state));
  steps.push_back(MakePostInstallForPortage(state));
  steps.push_back(MakeCleanUp(state, product_root, kCleanUpPortage));
  steps.push_back(MakeArchiveRootfs(
      state, [&state](StepContext& context) { return PrepareTreeForPortage(state, context); }, product_root));
  steps.push_back(MakePackRootfs(state, DescribePortagePackages));
}

}  // namespace rootwright
