#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/build/ending.h"
#include "agent/build/event_writer.h"
#include "agent/build/watchdog.h"
#include "base/clock.h"
#include "executors/step.h"

namespace rootwright {

// Runs steps in order, each check / apply / verify, until one does not end well, and tells the writer. Lives
// on the build's thread for one build.
class Pipeline {
 public:
  // Told before each step: its place in the order, from 0.
  using BeforeStep = std::function<void(size_t)>;

  Pipeline(EventWriter& writer, Watchdog& watchdog, Routine& routine, const Clock& clock)
      : writer_(writer), watchdog_(watchdog), routine_(routine), clock_(clock) {}

  // The routine's steps, and `last` behind them if there is one.
  Ending Run(Step* last, const BeforeStep& before);
  // One more step behind one that failed; its end says nothing about the build's.
  void RunAfterFailure(Step& step);

  // The largest that any step told.
  int64_t peak_memory_bytes() const { return peak_memory_bytes_; }
  // Of all steps together.
  absl::Duration cpu() const { return cpu_; }

 private:
  // All there are as far as is known now, and `last`.
  std::vector<Step*> StepsNow(Step* last) const;
  Ending RunStep(Step& step);
  absl::StatusOr<StepResult> CheckApplyVerify(Step& step, StepContext& context);
  Ending EndingOf(Step& step, const absl::StatusOr<StepResult>& result) const;

  EventWriter& writer_;
  Watchdog& watchdog_;
  Routine& routine_;
  const Clock& clock_;
  // How many steps were started.
  int started_ = 0;
  int64_t peak_memory_bytes_ = 0;
  absl::Duration cpu_;
};

}  // namespace rootwright
