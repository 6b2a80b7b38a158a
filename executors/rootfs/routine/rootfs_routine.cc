#include "executors/rootfs/routine/rootfs_routine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "executors/rootfs/apt/apt_steps.h"
#include "executors/rootfs/apt/debian_root.h"
#include "executors/rootfs/portage/portage_build.h"
#include "executors/rootfs/portage/portage_steps.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/rootfs_steps.h"
#include "executors/rootfs/routine/rootfs_routine_with.h"
#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {
namespace {

constexpr int kSpecificationSteps = 2;

class RootfsRoutine : public Routine {
 public:
  RootfsRoutine(const RootfsRequest& request, const RootfsHost& host, Executor& executor,
                std::unique_ptr<DebianRoot> debian)
      : debian_(std::move(debian)), state_(request, host, executor, *debian_, portage_) {
    AddSpecificationSteps(state_, steps_);
    // Until the specification says otherwise.
    AddAptSteps(state_, steps_);
  }

  const std::vector<std::unique_ptr<Step>>& steps() const override { return steps_; }
  // All before pre_install.
  int preparing_steps() const override { return 6; }
  int collecting_steps() const override { return 2; }
  const std::vector<ArtifactFile>& artifacts() const override { return state_.artifacts; }
  const std::vector<ArtifactFile>& failure_artifacts() const override { return state_.records; }
  Environment* environment() override { return state_.preparation.environment.get(); }

  void StepEnded(absl::string_view step, absl::Duration wall) override {
    state_.step_times.emplace_back(std::string(step), wall);
    if (step != kParsePackages || state_.specification.package_manager != PackageManager::kPortage) return;
    steps_.erase(steps_.begin() + kSpecificationSteps, steps_.end());
    AddPortageSteps(state_, steps_);
  }

  absl::Status EndEnvironment(absl::Duration grace) override { return state_.preparation.End(grace); }

 private:
  const std::unique_ptr<DebianRoot> debian_;
  PortageBuild portage_;
  RootfsState state_;
  std::vector<std::unique_ptr<Step>> steps_;
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
