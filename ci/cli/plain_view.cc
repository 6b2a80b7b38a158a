#include "ci/cli/plain_view.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/size_text.h"
#include "ci/cli/build_view.h"
#include "ci/cli/units.h"
#include "proto/proto_time.h"

namespace rootwright::cli {
namespace {

constexpr size_t kLongestLine = 4096;
constexpr absl::Duration kBetweenProgress = absl::Seconds(1);

}  // namespace

Line PlainView::Begin(absl::Time time) const {
  return Line().Add(absl::FormatTime("%H:%M:%S", time, zone_), Tone::kFaint).Add("  ");
}

std::vector<Line> PlainView::Apply(const v1::WatchBuildResponse& message) {
  std::vector<Line> lines;
  if (message.has_build()) ApplyBuild(message.build(), lines);
  if (message.has_event()) ApplyEvent(message.event(), lines);
  return lines;
}

void PlainView::ApplyBuild(const v1::Build& build, std::vector<Line>& lines) {
  const bool same = build.state() == state_ && build.attempt() == attempt_;
  const bool again = build.state() == v1::BUILD_STATE_QUEUED && build.has_infrastructure_error() && !same;
  state_ = build.state();
  attempt_ = build.attempt();
  if (same) return;
  const absl::Time submitted = FromProto(build.submitted_at());
  if (again) {
    lines.push_back(
        Line()
            .Add("!", Tone::kNote)
            .Add(absl::StrCat(" infrastructure error: ", Printable(build.infrastructure_error().message()),
                              "; the build is queued again")));
  } else if (build.state() == v1::BUILD_STATE_QUEUED) {
    lines.push_back(
        Begin(submitted).Add(absl::StrCat("Build ", build.id(), "  ", TitleOf(build), "  queued")));
  } else if (build.state() == v1::BUILD_STATE_LEASED) {
    const absl::Time time = build.has_started_at() ? FromProto(build.started_at()) : submitted;
    lines.push_back(Begin(time).Add(
        absl::StrCat("Build ", build.id(), "  ", TitleOf(build), "  on ", Printable(build.agent()),
                     build.attempt() > 1 ? absl::StrCat("  attempt ", build.attempt()) : "")));
  }
}

void PlainView::ApplyEvent(const v1::BuildEvent& event, std::vector<Line>& lines) {
  const absl::Time time = FromProto(event.time());
  switch (event.kind_case()) {
    case v1::BuildEvent::kStepStarted:
      phase_.clear();
      progress_shown_ = absl::InfinitePast();
      lines.push_back(
          Begin(time).Add(absl::StrCat("  ", Printable(event.step_started().step()), "  step ",
                                       event.step_started().index(), " of ", event.step_started().count())));
      break;
    case v1::BuildEvent::kStepProgress:
      ApplyProgress(event, lines);
      break;
    case v1::BuildEvent::kLogChunk:
      if (log_lines_ == LogLines::kShow) ApplyLog(event, lines);
      break;
    case v1::BuildEvent::kStepFinished:
      ApplyFinished(event, lines);
      break;
    case v1::BuildEvent::kSourceResolved:
      lines.push_back(
          Begin(time).Add(absl::StrCat("  commit ", Printable(event.source_resolved().commit()))));
      break;
    case v1::BuildEvent::kPlanReady:
      lines.push_back(Begin(time).Add(absl::StrCat("  ", PlanText(event.plan_ready()))));
      break;
    case v1::BuildEvent::kWarning:
      lines.push_back(
          Begin(time).Add("!", Tone::kNote).Add(absl::StrCat(" ", Printable(event.warning().message()))));
      break;
    case v1::BuildEvent::kArtifactReady:
      lines.push_back(
          Begin(time).Add(absl::StrCat("  ", Printable(event.artifact_ready().artifact().name()), "  ",
                                       SizeText(event.artifact_ready().artifact().size_bytes()))));
      break;
    default:
      break;
  }
}

void PlainView::ApplyProgress(const v1::BuildEvent& event, std::vector<Line>& lines) {
  const v1::StepProgress& progress = event.step_progress();
  const absl::Time time = FromProto(event.time());
  if (progress.phase() == phase_ && time - progress_shown_ < kBetweenProgress) return;
  const std::string text = ProgressText(progress);
  if (text.empty()) return;
  phase_ = progress.phase();
  progress_shown_ = time;
  lines.push_back(Begin(time).Add(absl::StrCat("  ", Printable(progress.step()), "  ", text)));
}

void PlainView::ApplyFinished(const v1::BuildEvent& event, std::vector<Line>& lines) {
  const v1::StepFinished& step = event.step_finished();
  EndLogLines(FromProto(event.time()), step.step(), lines);
  const bool good = step.state() == v1::STEP_STATE_SUCCEEDED;
  Line line = Begin(FromProto(event.time()));
  line.Add(good ? "✓" : "✗", good ? Tone::kGood : Tone::kBad);
  line.Add(absl::StrCat(" ", Printable(step.step()), "  ", DurationText(FromProto(step.wall()))));
  if (!step.summary().empty()) line.Add("  ").Add(Printable(step.summary()));
  if (!step.reason().empty()) line.Add("  ").Add(Printable(step.reason()), good ? Tone::kPlain : Tone::kBad);
  lines.push_back(std::move(line));
}

void PlainView::ApplyLog(const v1::BuildEvent& event, std::vector<Line>& lines) {
  const v1::LogChunk& chunk = event.log_chunk();
  const absl::Time time = FromProto(event.time());
  const std::string before = absl::StrCat(Printable(chunk.step()), "| ");
  if (chunk.omitted_bytes() > 0) {
    EndLogLines(time, chunk.step(), lines);
    lines.push_back(
        Begin(time).Add(absl::StrCat(before, "[", chunk.omitted_bytes(), " bytes left out: log limit]")));
  }
  std::string& open = open_lines_[{chunk.step(), chunk.stream()}];
  open.append(chunk.data());
  size_t start = 0;
  for (;;) {
    const size_t end = open.find('\n', start);
    const size_t length = (end == std::string::npos ? open.size() : end) - start;
    if (end == std::string::npos && length < kLongestLine) break;
    const size_t take = std::min(length, kLongestLine);
    lines.push_back(Begin(time).Add(before).Add(
        Printable(absl::StripSuffix(absl::string_view(open).substr(start, take), "\r"))));
    start += take + (take == length && end != std::string::npos ? 1 : 0);
  }
  open.erase(0, start);
}

void PlainView::EndLogLines(absl::Time time, const std::string& step, std::vector<Line>& lines) {
  for (auto& [key, open] : open_lines_) {
    if (key.first != step || open.empty()) continue;
    lines.push_back(Begin(time).Add(absl::StrCat(Printable(step), "| ", Printable(open))));
    open.clear();
  }
}

}  // namespace rootwright::cli
