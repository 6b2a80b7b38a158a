#include <string>
#include <system_error>

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
  explicit ArchiveRootfs(RootfsState& state) : state_(state) {}
  std::string name() const override { return "archive_rootfs"; }
  Place place() const override { return Place::kBoth; }
  absl::StatusOr<bool> Check(StepContext&) override { return state_.archived; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    RW_RETURN_IF_ERROR(state_.preparation.environment->ExportChanges(state_.paths.changes(), context.deadline,
                                                                     context.stop));
    OverlayLimits limits;
    limits.content_bytes = state_.request.environment.disk_bytes;
    RW_ASSIGN_OR_RETURN(const OverlayChanges changes,
                        ApplyChangesInJail(state_.host.programs / "rootwright-apply", state_.paths.changes(),
                                           state_.paths.tree(), limits, context.deadline, context.stop));
    std::error_code ignored;
    std::filesystem::remove(state_.paths.changes(), ignored);
    state_.archived = true;
    return StepResult::Done(absl::StrCat(changes.written, " entries changed, ", changes.removed, " removed, ",
                                         SizeText(changes.content_bytes)));
  }

  absl::StatusOr<StepResult> Verify(StepContext&) override {
    std::error_code error;
    if (!std::filesystem::exists(state_.paths.tree() / kTreeWorkFolder, error)) return StepResult{};
    return absl::InternalError(absl::StrCat("/", kTreeWorkFolder, ": is still in the result"));
  }

 private:
  RootfsState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeArchiveRootfs(RootfsState& state) { return std::make_unique<ArchiveRootfs>(state); }

}  // namespace rootwright
