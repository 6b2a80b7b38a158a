#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "archive/jailed_changes.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/rootfs/rootfs_steps.h"

namespace rootwright {
namespace {

// The host still has the tree that the environment got a copy of, so only what changed there
// is taken out and laid over it.
class ArchiveRootfs : public Step {
 public:
  ArchiveRootfs(RootfsState& state, PrepareTree prepare, std::function<std::string()> product_root)
      : state_(state), prepare_(std::move(prepare)), product_root_(std::move(product_root)) {}
  std::string name() const override { return "archive_rootfs"; }
  Place place() const override { return Place::kBoth; }
  absl::StatusOr<bool> Check(StepContext&) override { return state_.archived; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    RW_RETURN_IF_ERROR(state_.preparation.environment->ExportChanges(state_.paths.changes(), context.deadline,
                                                                     context.stop));
    RW_RETURN_IF_ERROR(prepare_(context));
    OverlayLimits limits;
    limits.content_bytes = state_.request.environment.disk_bytes;
    RW_ASSIGN_OR_RETURN(const OverlayChanges changes,
                        ApplyChangesInJail(state_.host.programs / "rootwright-apply", state_.paths.changes(),
                                           state_.paths.tree(), limits, context.deadline, context.stop));
    std::error_code ignored;
    std::filesystem::remove(state_.paths.changes(), ignored);
    const std::string below = product_root_();
    state_.product = below.empty() ? state_.paths.tree() : state_.paths.tree() / below.substr(1);
    // A build may have put a link there.
    if (!std::filesystem::is_directory(std::filesystem::symlink_status(state_.product, ignored)))
      return StepResult::Failed(absl::StrCat(below, ": is no folder any more"));
    state_.archived = true;
    return StepResult::Done(absl::StrCat(changes.written, " entries changed, ", changes.removed, " removed, ",
                                         SizeText(changes.content_bytes)));
  }

  absl::StatusOr<StepResult> Verify(StepContext&) override {
    std::error_code error;
    if (!std::filesystem::exists(state_.product / kTreeWorkFolder, error)) return StepResult{};
    return absl::InternalError(absl::StrCat("/", kTreeWorkFolder, ": is still in the result"));
  }

 private:
  RootfsState& state_;
  const PrepareTree prepare_;
  const std::function<std::string()> product_root_;
};

}  // namespace

std::unique_ptr<Step> MakeArchiveRootfs(RootfsState& state, PrepareTree prepare,
                                        std::function<std::string()> product_root) {
  return std::make_unique<ArchiveRootfs>(state, std::move(prepare), std::move(product_root));
}

}  // namespace rootwright
