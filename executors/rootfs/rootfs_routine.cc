#include "executors/rootfs/rootfs_routine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "executors/rootfs/rootfs_routine_with.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/rootfs_steps.h"

namespace rootwright {
namespace {

class RootfsRoutine : public Routine {
 public:
  RootfsRoutine(const RootfsRequest& request, const RootfsHost& host, Executor& executor,
                std::unique_ptr<DebianRoot> debian)
      : state_(request, host, executor, std::move(debian)) {
    steps_.push_back(MakeFetchSpecs(state_));
    steps_.push_back(MakeParsePackages(state_));
    steps_.push_back(MakeTranslatePackages(state_));
    AddPreparingSteps(state_.preparation, steps_);
    preparing_steps_ = static_cast<int>(steps_.size());
    steps_.push_back(MakePreInstall(state_));
    steps_.push_back(MakeInstallPackages(state_));
    steps_.push_back(MakePostInstall(state_));
    steps_.push_back(MakeCleanUp(state_));
    steps_.push_back(MakeArchiveRootfs(state_));
    steps_.push_back(MakePackRootfs(state_));
  }

  const std::vector<std::unique_ptr<Step>>& steps() const override { return steps_; }
  int preparing_steps() const override { return preparing_steps_; }
  int collecting_steps() const override { return 2; }
  const std::vector<ArtifactFile>& artifacts() const override { return state_.artifacts; }
  Environment* environment() override { return state_.preparation.environment.get(); }

  void StepEnded(absl::string_view step, absl::Duration wall) override {
    state_.step_times.emplace_back(std::string(step), wall);
  }

  absl::Status EndEnvironment(absl::Duration grace) override { return state_.preparation.End(grace); }

 private:
  RootfsState state_;
  std::vector<std::unique_ptr<Step>> steps_;
  int preparing_steps_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Routine>> MakeRootfsRoutineWith(const RootfsRequest& request,
                                                               const RootfsHost& host, Executor& executor,
                                                               std::unique_ptr<DebianRoot> debian) {
  const std::vector<std::string> known = ShortcutNames();
  for (const std::string& name : request.disabled_shortcuts) {
    if (name == "all" || std::find(known.begin(), known.end(), name) != known.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "disabled shortcuts: '", name, "': unknown; there are all, ", absl::StrJoin(known, ", ")));
  }
  return std::make_unique<RootfsRoutine>(request, host, executor, std::move(debian));
}

absl::StatusOr<std::unique_ptr<Routine>> MakeRootfsRoutine(const RootfsRequest& request,
                                                           const RootfsHost& host, Executor& executor) {
  return MakeRootfsRoutineWith(request, host, executor,
                               MakeAptDebianRoot(host, request.environment.architecture));
}

}  // namespace rootwright
