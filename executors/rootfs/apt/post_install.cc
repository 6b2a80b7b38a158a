#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/rootfs/apt/apt_steps.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/target_command.h"
#include "executors/rootfs/user_commands.h"

namespace rootwright {
namespace {

// tar follows links to folders inside the target (/lib → usr/lib) and leaves the modes of
// folders that exist alone, as the host's writer does for the other overlay. A pipe has only
// the reader's status.
constexpr char kPlaceOverlay[] = R"(cd /.rootwright/post_install_overlay
{ tar -c . || : >/.rootwright/overlay-broken; } | tar -x -C / --keep-directory-symlink --no-overwrite-dir
[ ! -e /.rootwright/overlay-broken ]
)";

class PostInstall : public Step {
 public:
  explicit PostInstall(RootfsState& state) : state_(state) {}
  std::string name() const override { return "post_install"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    RW_ASSIGN_OR_RETURN(const TargetOutcome placed,
                        RunInTarget(state_, context, {kPlaceOverlay, "", {}, {}, {}}));
    if (!placed.result.ok()) {
      return StepResult::Failed(
          absl::StrCat(kPostInstallOverlay, ": cannot be placed: ", placed.tail.LastLines(2)),
          placed.result.exit_code, placed.result.signal);
    }
    RW_ASSIGN_OR_RETURN(const StepResult owned, SetOverlayAttributes(state_, context, kPostInstallOverlay));
    if (!owned.ok()) return owned;
    RW_ASSIGN_OR_RETURN(StepResult result,
                        RunUserCommands(state_, context, state_.specification.post_install_commands));
    AddUse(placed.result, result);
    return result;
  }

 private:
  RootfsState& state_;
};

}  // namespace

std::unique_ptr<Step> MakePostInstall(RootfsState& state) { return std::make_unique<PostInstall>(state); }

}  // namespace rootwright
