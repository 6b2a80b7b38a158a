#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "executors/rootfs/apt/apt_steps.h"
#include "executors/rootfs/apt/debian_root.h"
#include "executors/rootfs/apt/installed_packages.h"
#include "executors/rootfs/apt/tree_files.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/shortcuts/shortcut.h"
#include "executors/rootfs/spec/overlay.h"
#include "executors/rootfs/target_command.h"
#include "executors/rootfs/user_commands.h"

namespace rootwright {
namespace {

class PreInstall : public Step {
 public:
  explicit PreInstall(RootfsState& state) : state_(state) {}
  std::string name() const override { return "pre_install"; }
  Place place() const override { return Place::kBoth; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    if (state_.root.empty()) {
      RW_RETURN_IF_ERROR(MakeTree(context));
      RW_RETURN_IF_ERROR(ApplyShortcuts(context));
      RW_ASSIGN_OR_RETURN(const StepResult placed, PlaceOverlays());
      if (!placed.ok()) return placed;
      context.reporter.Progress({0, 0, "importing", ""});
      RW_ASSIGN_OR_RETURN(state_.root,
                          state_.preparation.environment->ImportTree(state_.paths.tree(), context.LogSink(),
                                                                     context.deadline, context.stop));
    }
    RW_RETURN_IF_ERROR(MountWhatIsMissing(state_, context));
    RW_ASSIGN_OR_RETURN(const StepResult owned, SetOverlayAttributes(state_, context, kPreInstallOverlay));
    if (!owned.ok()) return owned;
    return RunUserCommands(state_, context, state_.specification.pre_install_commands);
  }

  // Each package of the plan is in the tree's dpkg database, in the version that was planned.
  absl::StatusOr<StepResult> Verify(StepContext&) override {
    RW_ASSIGN_OR_RETURN(const std::vector<InstalledPackage> unpacked, ReadDpkgStatus(state_.paths.tree()));
    std::map<std::string, std::string> versions;
    for (const InstalledPackage& package : unpacked) versions[package.name] = package.version;
    for (const DebianPackage& package : state_.plan.packages) {
      if (versions[package.name] == package.version) continue;
      return absl::InternalError(
          absl::StrCat(package.name, " ", package.version, ": is not unpacked in the tree"));
    }
    return StepResult{};
  }

 private:
  absl::Status MakeTree(StepContext& context) {
    std::error_code error;
    std::filesystem::remove_all(state_.paths.tree(), error);
    const auto progress = [&context](const char* phase) {
      return [&context, phase](int done, int total, absl::string_view package) {
        context.reporter.Progress({done, total, phase, std::string(package)});
      };
    };
    RW_ASSIGN_OR_RETURN(const std::vector<std::filesystem::path> debs,
                        state_.debian.Download(state_.specification.apt, state_.plan, progress("downloading"),
                                               context.deadline, context.stop));
    RW_RETURN_IF_ERROR(state_.debian.Unpack(state_.plan, debs, state_.paths.tree(), progress("unpacking"),
                                            context.deadline, context.stop));
    return AddTreeFiles(state_.paths.tree(), state_.specification.apt, state_.host.apt_mirror);
  }

  // Before the overlay: nothing that a user wrote is in the tree yet.
  absl::Status ApplyShortcuts(StepContext& context) {
    state_.shortcuts.clear();
    if (state_.request.disabled_shortcuts.count("all") != 0) return absl::OkStatus();
    RW_RETURN_IF_ERROR(MakeFolders(state_.paths.tree() / kTreeWorkFolder / "original"));
    const ShortcutContext work{state_.paths.tree(),
                               state_.request.environment.architecture,
                               state_.plan,
                               state_.specification,
                               state_.source.folder / kPreInstallOverlay,
                               context.LogSink(),
                               context.deadline,
                               context.stop};
    for (const std::unique_ptr<Shortcut>& shortcut : AllShortcuts()) {
      if (state_.request.disabled_shortcuts.count(shortcut->name()) != 0) continue;
      context.reporter.Progress({0, 0, "host shortcut", shortcut->name()});
      absl::StatusOr<std::optional<UsedShortcut>> used = shortcut->Apply(work);
      if (!used.ok()) return Annotate(used.status(), absl::StrCat("host shortcut ", shortcut->name()));
      if (!used->has_value()) continue;
      context.reporter.Log(OutputStream::kStdout,
                           absl::StrCat("host shortcut ", shortcut->name(), ": ", (*used)->note, "\n"));
      state_.shortcuts.push_back(*std::move(*used));
    }
    return absl::OkStatus();
  }

  // The post-install overlay waits inside the tree: it travels with it and needs no other way.
  absl::StatusOr<StepResult> PlaceOverlays() {
    const std::filesystem::path tree = state_.paths.tree();
    const std::filesystem::path waiting = tree / kTreeWorkFolder / kPostInstallOverlay;
    RW_RETURN_IF_ERROR(MakeFolders(waiting));
    RW_RETURN_IF_ERROR(PlaceOverlay(state_.source.folder / kPostInstallOverlay, waiting));
    const absl::Status placed = PlaceOverlay(state_.source.folder / kPreInstallOverlay, tree);
    if (absl::IsFailedPrecondition(placed)) {
      return StepResult::Failed(absl::StrCat(kPreInstallOverlay, ": ", std::string(placed.message())));
    }
    RW_RETURN_IF_ERROR(placed);
    return StepResult{};
  }

  RootfsState& state_;
};

}  // namespace

std::unique_ptr<Step> MakePreInstall(RootfsState& state) { return std::make_unique<PreInstall>(state); }

}  // namespace rootwright
