#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/command/command_steps.h"

namespace rootwright {
namespace {

class FetchSourceStep : public Step {
 public:
  explicit FetchSourceStep(CommandState& state) : state_(state) {}
  std::string name() const override { return "fetch_source"; }
  Place place() const override { return Place::kHost; }
  absl::StatusOr<bool> Check(StepContext&) override { return !state_.source.commit.empty(); }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    std::error_code ignored;
    std::filesystem::remove_all(state_.source_folder(), ignored);
    absl::StatusOr<FetchedSource> fetched = FetchSource(*state_.request.source, state_.source_folder(),
                                                        context.LogSink(), context.deadline, context.stop);
    const absl::StatusCode code = fetched.status().code();
    if (code == absl::StatusCode::kNotFound || code == absl::StatusCode::kInvalidArgument ||
        code == absl::StatusCode::kPermissionDenied) {
      return StepResult::Failed(std::string(fetched.status().message()));
    }
    RW_ASSIGN_OR_RETURN(state_.source, std::move(fetched));
    context.reporter.SourceResolved(state_.source.commit, state_.source.commit_time);
    return StepResult::Done(absl::StrCat("commit ", state_.source.commit.substr(0, 12)));
  }

 private:
  CommandState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeFetchSource(CommandState& state) {
  return std::make_unique<FetchSourceStep>(state);
}

}  // namespace rootwright
