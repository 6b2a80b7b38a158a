#include "executors/command/command_routine.h"

#include <utility>

#include "executors/command/command_steps.h"
#include "executors/preparation.h"

namespace rootwright {
namespace {

class CommandRoutine : public Routine {
 public:
  CommandRoutine(const CommandRequest& request, Executor& executor) : state_(request, executor) {
    if (request.source.has_value()) {
      steps_.push_back(
          MakeFetchSource("fetch_source", *state_.request.source, state_.source_folder(), state_.source));
    }
    AddPreparingSteps(state_.preparation, steps_);
    preparing_steps_ = static_cast<int>(steps_.size());
    steps_.push_back(MakeRunCommand(state_));
    if (!request.collect.empty()) steps_.push_back(MakeCollectFiles(state_));
  }

  const std::vector<std::unique_ptr<Step>>& steps() const override { return steps_; }
  int preparing_steps() const override { return preparing_steps_; }
  int collecting_steps() const override { return state_.request.collect.empty() ? 0 : 1; }
  const std::vector<ArtifactFile>& artifacts() const override { return state_.artifacts; }
  Environment* environment() override { return state_.preparation.environment.get(); }
  // A command's result has no manifest.
  void StepEnded(absl::string_view, absl::Duration) override {}

  absl::Status EndEnvironment(absl::Duration grace) override { return state_.preparation.End(grace); }

 private:
  CommandState state_;
  std::vector<std::unique_ptr<Step>> steps_;
  int preparing_steps_ = 0;
};

}  // namespace

std::unique_ptr<Routine> MakeCommandRoutine(const CommandRequest& request, Executor& executor) {
  return std::make_unique<CommandRoutine>(request, executor);
}

}  // namespace rootwright
