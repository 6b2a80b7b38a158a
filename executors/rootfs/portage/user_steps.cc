#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/rootfs/portage/input_files.h"
#include "executors/rootfs/portage/plan_packages.h"
#include "executors/rootfs/portage/portage_build.h"
#include "executors/rootfs/portage/portage_steps.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/target_command.h"
#include "executors/rootfs/user_commands.h"

namespace rootwright {
namespace {

class PreInstallForPortage : public Step {
 public:
  explicit PreInstallForPortage(RootfsState& state) : state_(state) {}
  std::string name() const override { return "pre_install"; }
  Place place() const override { return Place::kBoth; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    const std::vector<SpecCommand>& commands = state_.specification.pre_install_commands;
    if (commands.empty()) return StepResult{};
    // Where they run ROOT is said as emerge takes it.
    const std::string product = state_.portage.product_root();
    RW_ASSIGN_OR_RETURN(
        const StepResult ran,
        RunUserCommands(state_, context, commands, {"", {{"ROOT", product.empty() ? "/" : product}}}));
    if (!ran.ok()) return ran;
    RW_ASSIGN_OR_RETURN(StepResult planned, PlanPackages(state_, context));
    planned.cpu += ran.cpu;
    planned.peak_memory_bytes = std::max(planned.peak_memory_bytes, ran.peak_memory_bytes);
    return planned;
  }

 private:
  RootfsState& state_;
};

class PostInstallForPortage : public Step {
 public:
  explicit PostInstallForPortage(RootfsState& state) : state_(state) {}
  std::string name() const override { return "post_install"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    const std::string product = state_.portage.product_root();
    TargetScript script{kLayOverlay, "", {}, {}, {}};
    script.arguments = {absl::StrCat(kPortageInputs, "/", kPostInstallOverlay), product};
    RW_ASSIGN_OR_RETURN(const TargetOutcome placed, RunInTarget(state_, context, script));
    if (!placed.result.ok()) {
      return StepResult::Failed(
          absl::StrCat(kPostInstallOverlay, ": cannot be placed: ", placed.tail.LastLines(2)),
          placed.result.exit_code, placed.result.signal);
    }
    const CommandPlace place = {product.empty() ? "" : state_.root + product, {}};
    RW_ASSIGN_OR_RETURN(const StepResult able, CheckShell(context, product));
    if (!able.ok()) return able;
    RW_ASSIGN_OR_RETURN(const StepResult owned,
                        SetOverlayAttributes(state_, context, kPostInstallOverlay, place));
    if (!owned.ok()) return owned;
    RW_ASSIGN_OR_RETURN(StepResult result,
                        RunUserCommands(state_, context, state_.specification.post_install_commands, place));
    AddUse(placed.result, result);
    return result;
  }

 private:
  // A lean product may have no shell, and without commands it needs none.
  absl::StatusOr<StepResult> CheckShell(StepContext& context, const std::string& product) {
    const bool attributes =
        !AttributeScript(state_.specification.overlay_attributes, kPostInstallOverlay).empty();
    const bool commands = !state_.specification.post_install_commands.empty();
    if (product.empty() || (!attributes && !commands)) return StepResult{};
    TargetScript script{"cd \"$1\"; [ -x bin/sh ] || [ -L bin/sh ]", "", {}, {}, {}};
    script.arguments = {product};
    RW_ASSIGN_OR_RETURN(const TargetOutcome looked, RunInTarget(state_, context, script));
    if (looked.result.ok()) return StepResult{};
    return StepResult::Failed(absl::StrCat(
        commands ? "post_install_commands" : "overlay_attributes of post_install_overlay",
        ": the product has no /bin/sh to run them with: add a shell to 'packages', or set root_mode: "
        "in_place"));
  }

  RootfsState& state_;
};

}  // namespace

std::unique_ptr<Step> MakePreInstallForPortage(RootfsState& state) {
  return std::make_unique<PreInstallForPortage>(state);
}
std::unique_ptr<Step> MakePostInstallForPortage(RootfsState& state) {
  return std::make_unique<PostInstallForPortage>(state);
}

}  // namespace rootwright
