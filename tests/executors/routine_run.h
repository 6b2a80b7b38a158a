#pragma once

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "executors/step.h"

namespace rootwright {

// Keeps what steps report.
class RecordingReporter : public StepReporter {
 public:
  void Log(OutputStream, absl::string_view data) override { log.append(data.data(), data.size()); }
  void Progress(const ProgressUpdate& update) override {
    progress.push_back(update);
    if (on_progress) on_progress(update);
  }
  void Warn(absl::string_view message) override { warnings.emplace_back(message); }
  void SourceResolved(absl::string_view id, absl::Time) override { commit = std::string(id); }
  void PlanReady(const PlanSize& size) override {
    planned = size.packages;
    binary = size.binary_packages;
  }

  std::string log;
  std::vector<ProgressUpdate> progress;
  std::vector<std::string> warnings;
  std::string commit;
  int planned = 0;
  int binary = 0;
  std::function<void(const ProgressUpdate&)> on_progress;
};

// How a routine's run ended, as a build sees it.
struct RoutineRun {
  // Steps that were started, in order.
  std::vector<std::string> steps;
  // Of the step that ended it.
  StepResult result;
  absl::Status status;
  RecordingReporter reporter;

  bool ok() const { return status.ok() && result.ok(); }
  std::string Describe() const {
    return absl::StrCat("status ", status.ToString(), ", failure '", result.failure, "', log:\n",
                        reporter.log);
  }
};

// Runs the steps as agent/build does: check, apply, verify, stop at the first that fails.
inline void RunRoutine(Routine& routine, RoutineRun& run, std::stop_token stop = {}) {
  StepContext context{run.reporter, Deadline::In(absl::Minutes(20)), stop};
  // By number: the routine may exchange what is to come.
  for (size_t i = 0; i < routine.steps().size(); ++i) {
    Step* const step = routine.steps()[i].get();
    const Instant start = Clock::Real().Now();
    run.steps.push_back(step->name());
    const absl::StatusOr<bool> done = step->Check(context);
    run.status = done.status();
    if (!run.status.ok()) return;
    if (*done) continue;
    absl::StatusOr<StepResult> result = step->Apply(context);
    run.status = result.status();
    if (!run.status.ok()) return;
    run.result = *std::move(result);
    if (!run.result.ok()) return;
    const absl::StatusOr<StepResult> verified = step->Verify(context);
    run.status = verified.status();
    if (verified.ok() && !verified->ok()) run.result = *verified;
    if (!run.ok()) return;
    routine.StepEnded(step->name(), Since(start, Clock::Real().Now()));
  }
}

}  // namespace rootwright
