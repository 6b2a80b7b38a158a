#include "ci/cli/build_view.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/size_text.h"
#include "ci/cli/units.h"
#include "proto/proto_time.h"

namespace rootwright::cli {
namespace {

constexpr int kTimeEnd = 36;  // column at which a step's time ends
constexpr std::array<const char*, 10> kSpinner = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
constexpr size_t kWarningsShown = 3;

}  // namespace

std::string TitleOf(const v1::Build& build) {
  const v1::BuildRequest& request = build.request();
  std::string title = request.display_name();
  if (title.empty() && request.has_source()) {
    absl::string_view name =
        request.source().path().empty() ? request.source().url() : request.source().path();
    name = absl::StripSuffix(absl::StripSuffix(name, "/"), ".git");
    const size_t slash = name.rfind('/');
    title = std::string(slash == absl::string_view::npos ? name : name.substr(slash + 1));
  }
  if (title.empty() && request.has_command())
    title = absl::StrJoin(request.command().argv(), " ").substr(0, 40);
  const std::string& version = build.commit().empty() ? request.source().ref() : build.commit();
  if (!version.empty()) absl::StrAppend(&title, "@", build.commit().empty() ? version : version.substr(0, 7));
  return Printable(title);
}

std::string ProgressText(const v1::StepProgress& progress) {
  const bool bytes = progress.unit() == v1::PROGRESS_UNIT_BYTES;
  const auto text = [&](int64_t amount) { return bytes ? SizeText(amount) : absl::StrCat(amount); };
  std::string count;
  if (progress.total() > 0) {
    count = absl::StrCat(text(progress.done()), " of ", text(progress.total()));
  } else if (progress.done() > 0) {
    count = text(progress.done());
  }
  std::vector<std::string> parts = {
      absl::StrJoin({progress.phase(), count}, progress.phase().empty() || count.empty() ? "" : " "),
      progress.item()};
  if (progress.has_estimate())
    parts.push_back(absl::StrCat("about ", RoughText(FromProto(progress.estimate())), " left"));
  parts.erase(std::remove(parts.begin(), parts.end(), ""), parts.end());
  return Printable(absl::StrJoin(parts, " · "));
}

std::string PlanText(const v1::PlanReady& plan) {
  const std::string binary =
      plan.binary_packages() > 0 ? absl::StrCat(" (", plan.binary_packages(), " from the cache)") : "";
  return absl::StrCat(plan.packages(), " packages", binary, ", ", SizeText(plan.download_bytes()),
                      " to fetch");
}

std::vector<Line> WaitingLines(const std::string& build_id, const v1::ExplainPendingResponse& why) {
  std::vector<Line> lines;
  lines.push_back(
      Line().Add(absl::StrCat("Build ", build_id, " is queued: ", Printable(why.summary())), Tone::kNote));
  // Agents with the same reasons stand together.
  std::vector<std::pair<std::string, std::vector<std::string>>> groups;
  for (const v1::AgentVerdict& verdict : why.agents()) {
    std::vector<std::string> reasons;
    for (const v1::PendingReason& reason : verdict.reasons()) reasons.push_back(Printable(reason.message()));
    const std::string text = reasons.empty() ? "would take it" : absl::StrJoin(reasons, ", ");
    auto found =
        std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group.first == text; });
    if (found == groups.end()) found = groups.insert(groups.end(), {text, {}});
    found->second.push_back(Printable(verdict.agent()));
  }
  for (const auto& [text, agents] : groups)
    lines.emplace_back(absl::StrCat("  ", absl::StrJoin(agents, ", "), ": ", text));
  if (why.queue_position() > 0) {
    lines.emplace_back(absl::StrCat("  ", why.queue_position(),
                                    why.queue_position() == 1 ? " build is" : " builds are", " before it"));
  }
  return lines;
}

void BuildView::Apply(const v1::WatchBuildResponse& message) {
  if (message.has_build()) ApplyBuild(message.build());
  if (message.has_event()) ApplyEvent(message.event());
}

void BuildView::Explain(const v1::ExplainPendingResponse& why) { why_ = why; }

void BuildView::ApplyBuild(const v1::Build& build) {
  if (build_.attempt() > 0 && build.attempt() > build_.attempt()) BeginAttempt(build.attempt());
  if (build.has_infrastructure_error() && build.state() == v1::BUILD_STATE_QUEUED) {
    last_attempt_ = absl::StrCat(build_.agent().empty() ? "" : absl::StrCat("on ", build_.agent(), ": "),
                                 build.infrastructure_error().message());
  }
  std::string commit = build.commit().empty() ? build_.commit() : build.commit();
  const v1::BuildRequest request = build.has_request() ? build.request() : build_.request();
  build_ = build;
  build_.set_commit(std::move(commit));
  *build_.mutable_request() = request;
  if (build.state() != v1::BUILD_STATE_QUEUED) why_.reset();
}

void BuildView::BeginAttempt(int attempt) {
  steps_.clear();
  coming_.clear();
  warnings_.clear();
  build_.set_attempt(attempt);
}

void BuildView::ApplyEvent(const v1::BuildEvent& event) {
  if (event.attempt() > build_.attempt()) BeginAttempt(event.attempt());
  why_.reset();
  switch (event.kind_case()) {
    case v1::BuildEvent::kStateChanged:
      build_.set_state(event.state_changed().state());
      break;
    case v1::BuildEvent::kStepStarted:
      // Told again where it has changed.
      if (!event.step_started().coming().empty()) coming_.clear();
      for (const std::string& step : event.step_started().coming()) coming_.push_back(Printable(step));
      if (!coming_.empty() && coming_.front() == event.step_started().step()) coming_.pop_front();
      steps_.push_back(
          {event.step_started().step(), v1::STEP_STATE_RUNNING, FromProto(event.time()), {}, {}, {}});
      break;
    case v1::BuildEvent::kStepProgress:
      if (Step* step = Find(event.step_progress().step())) step->progress = event.step_progress();
      break;
    case v1::BuildEvent::kStepFinished:
      if (Step* step = Find(event.step_finished().step())) {
        step->state = event.step_finished().state();
        step->wall = FromProto(event.step_finished().wall());
        const bool failed = step->state == v1::STEP_STATE_FAILED;
        step->note = failed ? event.step_finished().reason() : event.step_finished().summary();
      }
      break;
    case v1::BuildEvent::kSourceResolved:
      build_.set_commit(event.source_resolved().commit());
      break;
    case v1::BuildEvent::kPlanReady:
      if (!steps_.empty()) steps_.back().note = PlanText(event.plan_ready());
      break;
    case v1::BuildEvent::kWarning:
      warnings_.push_back(event.warning().message());
      break;
    default:
      break;
  }
}

BuildView::Step* BuildView::Find(const std::string& name) {
  const auto found =
      std::find_if(steps_.rbegin(), steps_.rend(), [&](const Step& step) { return step.name == name; });
  return found == steps_.rend() ? nullptr : &*found;
}

Line BuildView::HeaderLine(absl::Time now) const {
  Line line;
  line.Add(absl::StrCat("Build ", build_.id()), Tone::kStrong).Add("  ").Add(TitleOf(build_));
  if (!build_.agent().empty()) line.Add(absl::StrCat("  on ", Printable(build_.agent())));
  if (build_.attempt() > 1) line.Add(absl::StrCat("  attempt ", build_.attempt()), Tone::kNote);
  const absl::Time since = build_.has_started_at()     ? FromProto(build_.started_at())
                           : build_.has_submitted_at() ? FromProto(build_.submitted_at())
                                                       : now;
  const absl::Time until = build_.has_finished_at() ? FromProto(build_.finished_at()) : now;
  return line.To(70).Add(DurationText(until - since));
}

Line BuildView::StepLine(const Step& step, absl::Time now) const {
  Line line("  ");
  const bool running = step.state == v1::STEP_STATE_RUNNING;
  if (running) {
    line.Add(kSpinner[static_cast<size_t>(absl::ToUnixMillis(now) / 100 % 10)], Tone::kNote);
  } else {
    line.Add(step.state == v1::STEP_STATE_SUCCEEDED ? "✓" : "✗",
             step.state == v1::STEP_STATE_SUCCEEDED ? Tone::kGood : Tone::kBad);
  }
  line.Add(absl::StrCat(" ", Printable(step.name)));
  const std::string time = DurationText(running ? now - step.started : step.wall);
  line.To(kTimeEnd - static_cast<int>(time.size())).Add(time);
  std::string note = running ? ProgressText(step.progress) : "";
  if (note.empty()) note = Printable(step.note);
  if (!note.empty())
    line.Add("   ").Add(note, step.state == v1::STEP_STATE_FAILED ? Tone::kBad : Tone::kPlain);
  return line;
}

Line BuildView::ComingLine() const {
  if (coming_.empty() || build_.state() == v1::BUILD_STATE_FINISHED) return Line();
  if (!steps_.empty() && steps_.back().state == v1::STEP_STATE_FAILED) return Line();
  return Line("    ").Add(absl::StrJoin(coming_, " · "), Tone::kFaint);
}

void BuildView::AppendWaiting(std::vector<Line>& lines) const {
  if (!last_attempt_.empty()) {
    lines.push_back(
        Line("  ").Add("!", Tone::kNote).Add(absl::StrCat(" tried before ", Printable(last_attempt_))));
  }
  if (build_.state() == v1::BUILD_STATE_QUEUED && why_.has_value()) {
    for (Line& line : WaitingLines(build_.id(), *why_)) lines.push_back(std::move(line));
  } else if (build_.state() == v1::BUILD_STATE_QUEUED) {
    lines.emplace_back("  waiting for an agent");
  } else if (steps_.empty() && build_.state() == v1::BUILD_STATE_LEASED) {
    lines.emplace_back("  starting");
  }
}

std::vector<Line> BuildView::Lines(absl::Time now, int rows) const {
  std::vector<Line> head = {HeaderLine(now)};
  AppendWaiting(head);
  std::vector<Line> tail;
  if (Line coming = ComingLine(); coming.width() > 0) tail.push_back(std::move(coming));
  const size_t first_warning = warnings_.size() > kWarningsShown ? warnings_.size() - kWarningsShown : 0;
  for (size_t i = first_warning; i < warnings_.size(); ++i) {
    tail.push_back(Line("  ").Add("!", Tone::kNote).Add(absl::StrCat(" ", Printable(warnings_[i]))));
  }
  if (!notice_.empty()) tail.push_back(Line().Add(notice_, Tone::kNote));

  const int room = rows - static_cast<int>(head.size() + tail.size());
  size_t folded = 0;
  if (static_cast<int>(steps_.size()) > room) {
    folded = std::min(steps_.size() - 1, steps_.size() - static_cast<size_t>(std::max(room - 1, 1)));
  }
  if (folded > 0) {
    head.push_back(Line("  ").Add("✓", Tone::kGood).Add(absl::StrCat(" ", folded, " steps before")));
  }
  for (size_t i = folded; i < steps_.size(); ++i) head.push_back(StepLine(steps_[i], now));
  for (Line& line : tail) head.push_back(std::move(line));
  if (rows > 0 && static_cast<int>(head.size()) > rows) head.resize(static_cast<size_t>(rows));
  return head;
}

}  // namespace rootwright::cli
