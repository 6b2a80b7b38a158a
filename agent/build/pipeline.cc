#include "agent/build/pipeline.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/host_use.h"
#include "base/log.h"
#include "base/status.h"
#include "proto/proto_time.h"

namespace rootwright {

std::vector<Step*> Pipeline::StepsNow(Step* last) const {
  std::vector<Step*> steps;
  for (const std::unique_ptr<Step>& step : routine_.steps()) steps.push_back(step.get());
  if (last != nullptr) steps.push_back(last);
  return steps;
}

Ending Pipeline::Run(Step* last, const BeforeStep& before) {
  // What the reader of the events expects.
  std::vector<std::string> told;
  for (size_t i = 0;; ++i) {
    const std::vector<Step*> steps = StepsNow(last);
    if (i >= steps.size()) break;
    // Between two steps is a good moment to end.
    if (const auto asked = watchdog_.ending()) return *asked;
    before(i);
    Step& step = *steps[i];
    watchdog_.SetStepPlace(step.place());
    const Instant start = clock_.Now();
    std::vector<std::string> names;
    for (size_t next = i; next < steps.size(); ++next) names.push_back(steps[next]->name());
    const bool as_told = names == told;
    told.assign(names.begin() + 1, names.end());
    writer_.StartStep(step.name(), ++started_, static_cast<int>(steps.size()), step.place(),
                      as_told ? std::vector<std::string>() : told);
    Ending ending = RunStep(step);
    watchdog_.SetStepPlace(Place::kHost);
    routine_.StepEnded(step.name(), Since(start, clock_.Now()));
    if (!ending.ok()) return ending;
    // An environment that was made in this step is watched from now on.
    watchdog_.SetEnvironment(routine_.environment());
  }
  if (const auto asked = watchdog_.ending()) return *asked;
  return {};
}

void Pipeline::RunAfterFailure(Step& step) {
  if (watchdog_.ending()) return;
  ++started_;
  writer_.StartStep(step.name(), started_, started_, step.place());
  const Ending ending = RunStep(step);
  if (!ending.ok()) writer_.Warn(ending.reason);
}

Ending Pipeline::RunStep(Step& step) {
  StepContext context{writer_, watchdog_.wall_deadline(), watchdog_.stop()};
  const HostUse use;
  absl::StatusOr<StepResult> result = CheckApplyVerify(step, context);
  if (result.ok() && step.place() != Place::kEnvironment) {
    result->cpu += use.cpu();
    result->peak_memory_bytes = std::max(result->peak_memory_bytes, use.peak_memory_bytes());
  }
  Ending ending = EndingOf(step, result);
  v1::StepFinished finished;
  finished.set_state(ending.ok() ? v1::STEP_STATE_SUCCEEDED : v1::STEP_STATE_FAILED);
  // The step stands beside its own reason; the build's names it.
  finished.set_reason(std::string(absl::StripPrefix(ending.reason, absl::StrCat(step.name(), ": "))));
  if (result.ok()) {
    finished.set_exit_code(result->exit_code);
    finished.set_signal(result->signal);
    finished.set_summary(result->summary);
    if (result->cpu > absl::ZeroDuration()) *finished.mutable_cpu() = ToProto(result->cpu);
    finished.set_peak_memory_bytes(result->peak_memory_bytes);
    peak_memory_bytes_ = std::max(peak_memory_bytes_, result->peak_memory_bytes);
    cpu_ += result->cpu;
  }
  writer_.FinishStep(std::move(finished));
  return ending;
}

absl::StatusOr<StepResult> Pipeline::CheckApplyVerify(Step& step, StepContext& context) {
  RW_ASSIGN_OR_RETURN(const bool done, step.Check(context));
  StepResult result;
  if (!done) {
    RW_ASSIGN_OR_RETURN(result, step.Apply(context));
    if (!result.ok()) return result;
  }
  RW_ASSIGN_OR_RETURN(const StepResult verified, step.Verify(context));
  result.cpu += verified.cpu;
  result.peak_memory_bytes = std::max(result.peak_memory_bytes, verified.peak_memory_bytes);
  if (!verified.ok()) {
    result.failure = verified.failure;
    result.exit_code = verified.exit_code;
    result.signal = verified.signal;
  }
  return result;
}

Ending Pipeline::EndingOf(Step& step, const absl::StatusOr<StepResult>& result) const {
  if (result.ok() && result->ok()) return {};
  // Whatever a step says after it was asked to stop, it says because of that.
  if (auto asked = watchdog_.ending()) return *std::move(asked);
  if (result.ok()) return Failed(absl::StrCat(step.name(), ": ", result->failure));
  const absl::Status& status = result.status();
  // The step may have noticed before the watchdog did.
  if (absl::IsDeadlineExceeded(status) && watchdog_.wall_deadline().Passed(clock_.Now())) {
    watchdog_.Look();
    if (auto late = watchdog_.ending()) return *std::move(late);
  }
  return FromStatus(status, step.name(), step.place());
}

}  // namespace rootwright
