#include "ci/cli/report.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/size_text.h"
#include "ci/cli/build_view.h"
#include "ci/cli/units.h"
#include "proto/proto_time.h"

namespace rootwright::cli {
namespace {

// "BUILD_STATE_QUEUED" → "queued".
std::string EnumWord(absl::string_view name, absl::string_view prefix) {
  return absl::StrReplaceAll(absl::AsciiStrToLower(absl::StripPrefix(name, prefix)), {{"_", " "}});
}

std::string TimeText(const google::protobuf::Timestamp& time, absl::TimeZone zone) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", FromProto(time), zone);
}

// Wall time of a build so far, or of all of it.
std::string WallText(const v1::Build& build, absl::Time now) {
  if (!build.has_started_at()) return "";
  return DurationText((build.has_finished_at() ? FromProto(build.finished_at()) : now) -
                      FromProto(build.started_at()));
}

Tone ToneOf(const v1::Build& build) {
  if (build.state() != v1::BUILD_STATE_FINISHED) return Tone::kPlain;
  if (build.outcome() == v1::OUTCOME_SUCCEEDED) return Tone::kGood;
  return build.outcome() == v1::OUTCOME_FAILED || build.outcome() == v1::OUTCOME_TIMED_OUT ? Tone::kBad
                                                                                           : Tone::kNote;
}

const char* MarkOf(Tone tone) { return tone == Tone::kGood ? "✓" : tone == Tone::kBad ? "✗" : "!"; }

const v1::StepSummary* FailedStep(const v1::Build& build) {
  for (const v1::StepSummary& step : build.steps()) {
    if (step.state() == v1::STEP_STATE_FAILED) return &step;
  }
  return nullptr;
}

std::string ResourceText(const v1::Build& build) {
  int64_t peak = 0;
  absl::Duration cpu;
  for (const v1::StepSummary& step : build.steps()) {
    peak = std::max(peak, step.peak_memory_bytes());
    cpu += FromProto(step.cpu());
  }
  std::vector<std::string> parts;
  if (peak > 0) parts.push_back(absl::StrCat("peak memory ", SizeText(peak)));
  if (cpu > absl::ZeroDuration()) parts.push_back(absl::StrCat("CPU ", DurationText(cpu)));
  return absl::StrJoin(parts, ", ");
}

// "failed in install_packages: …"
std::string WhatHappened(const v1::Build& build) {
  const v1::StepSummary* failed = FailedStep(build);
  // A step's own reason does not name the step; where the step is named, that is enough.
  const bool own = build.outcome() == v1::OUTCOME_FAILED && failed != nullptr && !failed->reason().empty();
  const std::string& why = own ? failed->reason() : build.reason();
  const std::string reason = why.empty() ? "" : absl::StrCat(": ", Printable(why));
  const std::string where = failed == nullptr ? "" : absl::StrCat(" in ", Printable(failed->name()));
  switch (build.outcome()) {
    case v1::OUTCOME_SUCCEEDED:
      return " succeeded";
    case v1::OUTCOME_FAILED:
      return absl::StrCat(" failed", where, reason);
    case v1::OUTCOME_CANCELLED:
      return absl::StrCat(" was cancelled", reason);
    case v1::OUTCOME_TIMED_OUT:
      // The reason says in which step.
      return absl::StrCat(" timed out", reason.empty() ? where : reason);
    default:
      break;
  }
  const std::string& message = build.infrastructure_error().message();
  return absl::StrCat(": infrastructure error",
                      build.agent().empty() ? "" : absl::StrCat(" on ", Printable(build.agent())), ": ",
                      Printable(message.empty() ? build.reason() : message));
}

void AppendArtifacts(const v1::Build& build, const std::map<std::string, std::string>& files,
                     std::vector<Line>& lines) {
  size_t width = 0;
  for (const v1::Artifact& artifact : build.artifacts()) width = std::max(width, artifact.name().size());
  for (const v1::Artifact& artifact : build.artifacts()) {
    Line line(absl::StrCat("  ", Printable(artifact.name())));
    const std::string size = SizeText(artifact.size_bytes());
    line.To(static_cast<int>(width) + 14 - static_cast<int>(size.size())).Add(size);
    line.Add(absl::StrCat("  sha256:", Printable(artifact.sha256().substr(0, 12)), "…"));
    const auto file = files.find(artifact.name());
    if (file != files.end()) line.Add(absl::StrCat("  ", file->second));
    lines.push_back(std::move(line));
  }
}

std::string LabelText(const google::protobuf::Map<std::string, std::string>& labels) {
  std::vector<std::string> words;
  for (const auto& [key, value] : labels) words.push_back(Printable(absl::StrCat(key, "=", value)));
  std::sort(words.begin(), words.end());
  return absl::StrJoin(words, ", ");
}

std::string TargetText(const v1::Agent& agent, bool with_isolation) {
  std::vector<std::string> words;
  for (const v1::TargetSupport& target : agent.capabilities().targets()) {
    std::string word = ArchitectureText(target.architecture());
    if (with_isolation) {
      absl::StrAppend(&word, " (", EnumWord(v1::Isolation_Name(target.isolation()), "ISOLATION_"),
                      target.accelerated() ? ", KVM)" : ")");
    }
    if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
  }
  return absl::StrJoin(words, ", ");
}

void AppendSteps(const v1::Build& build, absl::Time now, std::vector<Line>& lines) {
  for (const v1::StepSummary& step : build.steps()) {
    const bool running = step.state() == v1::STEP_STATE_RUNNING;
    const Tone tone = running                                 ? Tone::kNote
                      : step.state() == v1::STEP_STATE_FAILED ? Tone::kBad
                                                              : Tone::kGood;
    Line line("  ");
    line.Add(running ? "…" : MarkOf(tone), tone).Add(absl::StrCat(" ", Printable(step.name())));
    const std::string wall =
        DurationText(running ? now - FromProto(step.started_at()) : FromProto(step.wall()));
    line.To(36 - static_cast<int>(wall.size())).Add(wall);
    if (step.peak_memory_bytes() > 0) line.To(40).Add(SizeText(step.peak_memory_bytes()));
    if (step.log_bytes() > 0) line.To(52).Add(absl::StrCat("log ", SizeText(step.log_bytes())));
    if (!step.summary().empty()) line.To(68).Add(Printable(step.summary()));
    if (!step.reason().empty()) line.To(68).Add(Printable(step.reason()), tone);
    lines.push_back(std::move(line));
  }
}

}  // namespace

std::string ArchitectureText(v1::Architecture architecture) {
  return EnumWord(v1::Architecture_Name(architecture), "ARCHITECTURE_");
}

std::string StateText(const v1::Build& build) {
  return build.state() == v1::BUILD_STATE_FINISHED
             ? EnumWord(v1::Outcome_Name(build.outcome()), "OUTCOME_")
             : EnumWord(v1::BuildState_Name(build.state()), "BUILD_STATE_");
}

std::vector<std::string> TailOf(absl::string_view log, size_t count) {
  log = absl::StripTrailingAsciiWhitespace(log);
  std::vector<std::string> lines;
  while (!log.empty() && lines.size() < count) {
    const size_t end = log.rfind('\n');
    const absl::string_view line = end == absl::string_view::npos ? log : log.substr(end + 1);
    lines.push_back(Printable(absl::StripSuffix(line, "\r").substr(0, 400)));
    log = end == absl::string_view::npos ? absl::string_view() : log.substr(0, end);
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

std::vector<Line> EndingLines(const Ending& ending) {
  const v1::Build& build = ending.build;
  const Tone tone = ToneOf(build);
  std::vector<Line> lines;
  Line first = Line()
                   .Add(MarkOf(tone), tone)
                   .Add(" ")
                   .Add(absl::StrCat("Build ", build.id(), WhatHappened(build)), Tone::kStrong);
  if (build.outcome() == v1::OUTCOME_SUCCEEDED) {
    first.Add(absl::StrCat(" in ", WallText(build, FromProto(build.finished_at()))), Tone::kStrong);
    if (const std::string resources = ResourceText(build); !resources.empty()) first.To(40).Add(resources);
  } else if (build.attempt() > 1) {
    first.Add(absl::StrCat(" (after ", build.attempt(), " attempts)"));
  }
  lines.push_back(std::move(first));
  for (const std::string& line : ending.log_tail) lines.emplace_back(absl::StrCat("    ", line));
  for (const std::string& line : TailOf(build.infrastructure_error().detail(), 20)) {
    if (build.outcome() == v1::OUTCOME_INFRASTRUCTURE_ERROR) lines.emplace_back(absl::StrCat("    ", line));
  }
  AppendArtifacts(build, ending.files, lines);
  const v1::StepSummary* failed = FailedStep(build);
  if (failed != nullptr) {
    lines.emplace_back(
        absl::StrCat("  full log   rootwright build log ", build.id(), " ", Printable(failed->name())));
  }
  lines.emplace_back(absl::StrCat("  look in    rootwright build show ", build.id()));
  if (build.has_kept_until()) {
    const absl::Duration kept = FromProto(build.kept_until()) - FromProto(build.finished_at());
    lines.emplace_back(absl::StrCat("  get in     rootwright build shell ", build.id(), "      (kept for ",
                                    RoughText(kept), "; rootwright build release ", build.id(), ")"));
  }
  return lines;
}

std::vector<Line> BuildLines(const v1::Build& build, absl::Time now, absl::TimeZone zone) {
  std::vector<Line> lines;
  const auto row = [&](absl::string_view name, const std::string& value, Tone tone = Tone::kPlain) {
    if (!value.empty()) lines.push_back(Line("  ").Add(name, Tone::kFaint).To(14).Add(value, tone));
  };
  lines.push_back(
      Line().Add(absl::StrCat("Build ", build.id()), Tone::kStrong).Add("  ").Add(TitleOf(build)));
  row("state", StateText(build), ToneOf(build));
  row("reason",
      Printable(build.infrastructure_error().message().empty() ? build.reason()
                                                               : build.infrastructure_error().message()));
  row("target", absl::StrCat(ArchitectureText(build.request().target().architecture()),
                             build.request().target().cpu_model().empty() ? "" : " ",
                             Printable(build.request().target().cpu_model())));
  row("source", Printable(build.request().source().url()));
  row("ref", Printable(build.request().source().ref()));
  row("path", Printable(build.request().source().path()));
  row("commit", Printable(build.commit()));
  row("command", Printable(absl::StrJoin(build.request().command().argv(), " ")));
  row("agent", Printable(build.agent()));
  row("attempt", build.attempt() > 1 ? absl::StrCat(build.attempt()) : "");
  row("submitted", TimeText(build.submitted_at(), zone));
  if (build.has_started_at()) row("started", TimeText(build.started_at(), zone));
  if (build.has_finished_at()) row("finished", TimeText(build.finished_at(), zone));
  if (build.has_kept_until() && FromProto(build.kept_until()) > now) {
    row("kept", absl::StrCat("until ", TimeText(build.kept_until(), zone),
                             ", unless released; rootwright build shell ", build.id()));
  }
  row("took", WallText(build, now));
  row("used", ResourceText(build));
  if (!build.steps().empty()) lines.emplace_back("Steps");
  AppendSteps(build, now, lines);
  if (!build.artifacts().empty()) lines.emplace_back("Artifacts");
  AppendArtifacts(build, {}, lines);
  return lines;
}

std::vector<Line> BuildTable(const std::vector<v1::Build>& builds, absl::Time now, absl::TimeZone zone) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "STATE", "TARGET", "AGENT", "SUBMITTED", "TOOK", "WHAT"}};
  for (const v1::Build& build : builds) {
    rows.push_back({build.id(), StateText(build), ArchitectureText(build.request().target().architecture()),
                    Printable(build.agent()), TimeText(build.submitted_at(), zone), WallText(build, now),
                    TitleOf(build)});
  }
  return Table(rows);
}

std::vector<Line> ArtifactTable(const std::vector<v1::Artifact>& artifacts) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "SIZE", "TYPE", "SHA256"}};
  for (const v1::Artifact& artifact : artifacts) {
    rows.push_back({Printable(artifact.name()), SizeText(artifact.size_bytes()),
                    Printable(artifact.media_type()), Printable(artifact.sha256())});
  }
  return Table(rows);
}

std::vector<Line> ImageTable(const std::vector<v1::Image>& images, absl::TimeZone zone) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "ARCH", "SIZE", "ORIGIN", "SINCE", "DIGEST", ""}};
  for (const v1::Image& image : images) {
    rows.push_back(
        {Printable(image.name()), ArchitectureText(image.architecture()), SizeText(image.size_bytes()),
         EnumWord(v1::ImageOrigin_Name(image.origin()), "IMAGE_ORIGIN_"), TimeText(image.made_at(), zone),
         absl::StrCat("sha256:", Printable(image.digest().substr(0, 12)), "…"),
         image.in_use() ? "in use" : ""});
  }
  return Table(rows);
}

std::vector<Line> ImportedLines(const v1::Image& image) {
  std::vector<Line> lines = {
      Line()
          .Add("✓ ", Tone::kGood)
          .Add(absl::StrCat(Printable(image.name()), " imported: ", ArchitectureText(image.architecture()),
                            ", ", SizeText(image.size_bytes()), ", sha256:", Printable(image.digest())))};
  const auto verified = image.facts().find("verified");
  if (verified != image.facts().end())
    lines.push_back(Line("  ").Add("verified", Tone::kFaint).To(12).Add(Printable(verified->second)));
  for (const std::string& note : image.notes())
    lines.push_back(Line("  ").Add("! ", Tone::kNote).Add(Printable(note)));
  lines.push_back(Line(absl::StrCat("Next:  name it in a platform (image: \"", Printable(image.name()),
                                    "\"); rootwright image list")));
  return lines;
}

std::vector<Line> AgentTable(const std::vector<v1::Agent>& agents, absl::Time now, absl::TimeZone zone) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATE", "SLOTS", "TARGETS", "HEARD", "BUILDS"}};
  for (const v1::Agent& agent : agents) {
    const absl::Duration heard = now - FromProto(agent.last_heard_at());
    rows.push_back({Printable(agent.name()), EnumWord(v1::AgentState_Name(agent.state()), "AGENT_STATE_"),
                    absl::StrCat(agent.free_slots(), " of ", agent.capabilities().slots(), " free"),
                    TargetText(agent, false),
                    heard < absl::Hours(1) ? absl::StrCat(RoughText(heard), " ago")
                                           : TimeText(agent.last_heard_at(), zone),
                    absl::StrJoin(agent.build_ids(), " ")});
  }
  return Table(rows);
}

std::vector<Line> AgentLines(const v1::Agent& agent, absl::TimeZone zone) {
  std::vector<Line> lines;
  const auto row = [&](absl::string_view name, const std::string& value) {
    if (!value.empty()) lines.push_back(Line("  ").Add(name, Tone::kFaint).To(14).Add(value));
  };
  const v1::Capabilities& can = agent.capabilities();
  lines.push_back(Line().Add(absl::StrCat("Agent ", Printable(agent.name())), Tone::kStrong));
  row("state", EnumWord(v1::AgentState_Name(agent.state()), "AGENT_STATE_"));
  row("drained", Printable(agent.drain_reason()));
  row("version", Printable(agent.version()));
  row("targets", TargetText(agent, true));
  row("labels", LabelText(can.labels()));
  if (can.outbound_network()) row("network", "outbound, for builds that ask for it");
  row("roots", Printable(absl::StrJoin(can.build_roots(), ", ")));
  row("slots", absl::StrCat(agent.free_slots(), " of ", can.slots(), " free"));
  row("host", absl::StrCat(can.cpus(), " CPUs, ", SizeText(can.memory_bytes()), " memory, ",
                           SizeText(can.disk_bytes()), " disk"));
  if (agent.has_connected_at()) row("connected", TimeText(agent.connected_at(), zone));
  if (agent.has_last_heard_at()) row("last heard", TimeText(agent.last_heard_at(), zone));
  row("builds", absl::StrJoin(agent.build_ids(), " "));
  for (const v1::KeptEnvironment& kept : agent.kept()) {
    row("kept", absl::StrCat(Printable(kept.build_id()), " until ", TimeText(kept.until(), zone),
                             "  (rootwright build shell ", Printable(kept.build_id()), ")"));
  }
  return lines;
}

}  // namespace rootwright::cli
