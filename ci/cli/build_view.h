#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ci/cli/text.h"
#include "rootwright/v1/build_service.pb.h"
#include "rootwright/v1/fleet_service.pb.h"

namespace rootwright::cli {

// The live picture of one build: messages go in, lines come out. Knows no terminal, no
// clock and no network, so that what a person sees is tested as text. One thread.
class BuildView {
 public:
  BuildView() = default;

  // Takes what WatchBuild sent, in its order; duplicates are the caller's to drop.
  void Apply(const v1::WatchBuildResponse& message);
  // Why the build waits; forgotten once an agent has it.
  void Explain(const v1::ExplainPendingResponse& why);
  // A line below the picture, e.g. on a lost link; empty takes it away.
  void SetNotice(std::string notice) { notice_ = std::move(notice); }

  const v1::Build& build() const { return build_; }

  // The picture at `now`, in at most `rows` lines: finished steps are folded into one
  // line when there is no room for each.
  std::vector<Line> Lines(absl::Time now, int rows) const;

 private:
  struct Step {
    std::string name;
    v1::StepState state = v1::STEP_STATE_RUNNING;
    absl::Time started;
    absl::Duration wall;
    v1::StepProgress progress;
    // What there is to say beside the time: a plan, a commit, a reason.
    std::string note;
  };

  void ApplyBuild(const v1::Build& build);
  void ApplyEvent(const v1::BuildEvent& event);
  // Forgets the steps of an attempt that was given up.
  void BeginAttempt(int attempt);
  Step* Find(const std::string& name);
  Line HeaderLine(absl::Time now) const;
  Line StepLine(const Step& step, absl::Time now) const;
  Line ComingLine() const;
  void AppendWaiting(std::vector<Line>& lines) const;

  v1::Build build_;
  std::optional<v1::ExplainPendingResponse> why_;
  std::vector<Step> steps_;
  // Names of the steps that have not begun.
  std::deque<std::string> coming_;
  std::vector<std::string> warnings_;
  // Why there is a further attempt.
  std::string last_attempt_;
  std::string notice_;
};

// "arm64-minimal@9c0d1f2": what is built, in as few words as will do.
std::string TitleOf(const v1::Build& build);
// "configuring 88 of 142 · openssh-server · about 35 s left".
std::string ProgressText(const v1::StepProgress& progress);
// "142 packages, 49.6 MiB to fetch".
std::string PlanText(const v1::PlanReady& plan);
// "Build 81be is queued: …" and what keeps each agent from taking it.
std::vector<Line> WaitingLines(const std::string& build_id, const v1::ExplainPendingResponse& why);

}  // namespace rootwright::cli
