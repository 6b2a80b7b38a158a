#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "executors/rootfs/portage/input_files.h"
#include "executors/rootfs/portage/plan_packages.h"
#include "executors/rootfs/portage/portage_build.h"
#include "executors/rootfs/portage/portage_steps.h"
#include "executors/rootfs/portage/repositories.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/spec/translation.h"
#include "executors/rootfs/target_command.h"
#include "executors/rootfs/user_commands.h"

namespace rootwright {
namespace {

class TranslateForPortage : public Step {
 public:
  explicit TranslateForPortage(RootfsState& state) : state_(state) {}
  std::string name() const override { return "translate_packages"; }
  Place place() const override { return Place::kBoth; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    if (state_.root.empty()) {
      const absl::StatusOr<RepositoryChoice> choice =
          ChooseRepositories(state_.specification.portage, state_.source.folder, state_.portage.build_root,
                             state_.host.repositories, state_.platform);
      if (absl::IsFailedPrecondition(choice.status()))
        return StepResult::Failed(
            absl::StrCat(kConfigurationFile, ": ", std::string(choice.status().message())));
      RW_RETURN_IF_ERROR(choice.status());
      Settle(*choice);
      const absl::Status written = WriteInputs();
      // An overlay that cannot be written as it is.
      if (absl::IsFailedPrecondition(written)) return StepResult::Failed(std::string(written.message()));
      RW_RETURN_IF_ERROR(written);
      RW_RETURN_IF_ERROR(Import(*choice, context));
    }
    RW_ASSIGN_OR_RETURN(const StepResult laid, Lay(context));
    if (!laid.ok()) return laid;
    return PlanPackages(state_, context);
  }

 private:
  void Settle(const RepositoryChoice& choice) {
    EmergeSettings& settings = state_.portage.settings;
    settings = {};
    settings.root_mode = state_.specification.portage.root_mode;
    settings.repositories = choice.repositories;
    settings.profile = choice.profile;
    settings.jobs = state_.request.environment.vcpus;
    settings.debian_root = state_.portage.build_root.debian;
    settings.keep_going = state_.request.keep_going;
    settings.use_binary_packages =
        state_.request.use_binary_packages && state_.host.binary_packages != nullptr;
    settings.cached_packages = kPortagePackages;
    state_.portage.recipes = choice.folders;
    state_.portage.world = WorldList(state_.specification);
  }

  absl::Status WriteInputs() {
    Platform platform = state_.platform;
    // Compilers are named after it, and Debian's have Debian's names.
    if (state_.portage.build_root.debian) platform.chost = NamesOf(platform.architecture).triplet;
    RW_ASSIGN_OR_RETURN(const std::vector<PortageFile> files, PortageFiles(state_.portage.settings));
    std::error_code ignored;
    std::filesystem::remove_all(state_.paths.inputs(), ignored);
    return WriteInputFiles(files, TranslateSpecification(state_.specification, &platform),
                           state_.source.folder, state_.paths.inputs());
  }

  absl::Status Import(const RepositoryChoice& choice, StepContext& context) {
    Environment& environment = *state_.preparation.environment;
    context.reporter.Progress({0, 0, "importing", state_.portage.build_root.name});
    RW_ASSIGN_OR_RETURN(state_.root, environment.ImportTree(state_.portage.build_root.tree, context.LogSink(),
                                                            context.deadline, context.stop));
    RW_RETURN_IF_ERROR(MountWhatIsMissing(state_, context));
    RW_RETURN_IF_ERROR(environment.ShareInputs(state_.paths.inputs(), state_.root + kPortageInputs,
                                               context.deadline, context.stop));
    for (const auto& [folder, location] : choice.shared) {
      context.reporter.Progress({0, 0, "importing", location});
      RW_RETURN_IF_ERROR(
          environment.ShareInputs(folder, state_.root + location, context.deadline, context.stop));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<StepResult> Lay(StepContext& context) {
    TargetScript script{kLayInputFiles, "", {}, {}, {}};
    script.arguments = {kPortageInputs, state_.portage.product_root()};
    RW_ASSIGN_OR_RETURN(const TargetOutcome laid, RunInTarget(state_, context, script));
    if (!laid.result.ok()) {
      return StepResult::Failed(
          absl::StrCat(kPreInstallOverlay, ": cannot be placed: ", laid.tail.LastLines(2)),
          laid.result.exit_code, laid.result.signal);
    }
    return SetOverlayAttributes(state_, context, kPreInstallOverlay);
  }

  RootfsState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeTranslateForPortage(RootfsState& state) {
  return std::make_unique<TranslateForPortage>(state);
}

}  // namespace rootwright
