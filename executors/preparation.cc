#include "executors/preparation.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {
namespace {

// "sha256:" and eight digits.
constexpr size_t kShortDigest = 15;

class PrepareImage : public Step {
 public:
  explicit PrepareImage(Preparation& preparation) : preparation_(preparation) {}
  std::string name() const override { return "prepare_image"; }
  Place place() const override { return Place::kHost; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    const ProgressSink progress = [&](const ProgressUpdate& update) { context.reporter.Progress(update); };
    RW_ASSIGN_OR_RETURN(preparation_.image,
                        preparation_.executor.PrepareImage(preparation_.spec.architecture, progress,
                                                           context.LogSink(), context.stop));
    context.reporter.Log(OutputStream::kStdout, absl::StrCat("image ", preparation_.image.name, " ",
                                                             preparation_.image.digest, "\n"));
    return StepResult::Done(
        absl::StrCat(preparation_.image.name, " ", preparation_.image.digest.substr(0, kShortDigest), "…"));
  }

 private:
  Preparation& preparation_;
};

class SetupEnvironment : public Step {
 public:
  explicit SetupEnvironment(Preparation& preparation) : preparation_(preparation) {}
  std::string name() const override { return "setup_environment"; }
  Place place() const override { return Place::kHost; }
  absl::StatusOr<bool> Check(StepContext&) override { return preparation_.environment != nullptr; }

  absl::StatusOr<StepResult> Apply(StepContext&) override {
    RW_RETURN_IF_ERROR(MakeFolders(preparation_.spec.work_folder));
    RW_ASSIGN_OR_RETURN(preparation_.environment, preparation_.executor.CreateEnvironment(preparation_.spec));
    return StepResult{};
  }

 private:
  Preparation& preparation_;
};

class ReachEnvironment : public Step {
 public:
  explicit ReachEnvironment(Preparation& preparation) : preparation_(preparation) {}
  std::string name() const override { return "reach_environment"; }
  Place place() const override { return Place::kEnvironment; }
  absl::StatusOr<bool> Check(StepContext&) override { return preparation_.reached; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    const Deadline boot = Deadline::In(preparation_.boot_limit);
    const absl::Status status =
        preparation_.environment->Reach(Earlier(boot, context.deadline), context.stop);
    // A machine that does not boot is no matter of the build's own time limit.
    if (absl::IsDeadlineExceeded(status) && boot.Passed() && !context.deadline.Passed()) {
      return WithFault(absl::UnavailableError(absl::StrCat("no answer within the boot limit of ",
                                                           absl::FormatDuration(preparation_.boot_limit),
                                                           ": ", std::string(status.message()))),
                       Fault::kGuest);
    }
    RW_RETURN_IF_ERROR(status);
    preparation_.reached = true;
    return StepResult::Done(preparation_.environment->Describe());
  }

 private:
  Preparation& preparation_;
};

}  // namespace

absl::Status Preparation::End(absl::Duration grace) {
  return environment != nullptr ? environment->End(grace) : absl::OkStatus();
}

void AddPreparingSteps(Preparation& preparation, std::vector<std::unique_ptr<Step>>& steps) {
  steps.push_back(std::make_unique<PrepareImage>(preparation));
  steps.push_back(std::make_unique<SetupEnvironment>(preparation));
  steps.push_back(std::make_unique<ReachEnvironment>(preparation));
}

}  // namespace rootwright
