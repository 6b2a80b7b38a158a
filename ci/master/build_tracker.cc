#include "ci/master/build_tracker.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace rootwright::master {
namespace {

constexpr int kMaxRewinds = 3;
constexpr size_t kMaxChunkBytes = 64 << 10;
constexpr int kMaxSteps = 256;

bool IsStepName(absl::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
  });
}

absl::Status Broken(const v1::BuildEvent& event, absl::string_view cause) {
  return absl::InvalidArgumentError(
      absl::StrCat("event from agent: sequence ", event.sequence(), ": ", cause));
}

}  // namespace

absl::StatusOr<BuildTracker::Effect> BuildTracker::Apply(const v1::BuildEvent& event) {
  if (event.attempt() != build_.attempt()) {
    return Broken(event,
                  absl::StrCat("is of attempt ", event.attempt(), ", the lease is for ", build_.attempt()));
  }
  if (event.sequence() < 1) return Broken(event, "sequences start with 1");
  if (event.sequence() <= build_.last_sequence()) return Effect::kDuplicate;
  if (event.sequence() != build_.last_sequence() + 1) return Effect::kGap;

  Effect effect = Effect::kTaken;
  switch (event.kind_case()) {
    case v1::BuildEvent::kStateChanged:
      TakeState(event.state_changed().state());
      effect = Effect::kBuildChanged;
      break;
    case v1::BuildEvent::kStepStarted:
      RW_RETURN_IF_ERROR(TakeStepStarted(event));
      effect = Effect::kBuildChanged;
      break;
    case v1::BuildEvent::kStepProgress:
      RW_RETURN_IF_ERROR(TallyOf(event.step_progress().step()).status());
      break;
    case v1::BuildEvent::kLogChunk:
      RW_RETURN_IF_ERROR(TakeLogChunk(event));
      break;
    case v1::BuildEvent::kStepFinished: {
      const v1::StepFinished& finished = event.step_finished();
      RW_RETURN_IF_ERROR(TallyOf(finished.step()).status());
      if (finished.has_log() && !Agrees(finished.step(), finished.log())) {
        RW_RETURN_IF_ERROR(Rewind(finished.step()));
        return Effect::kRewound;
      }
      RW_RETURN_IF_ERROR(TakeStepFinished(event));
      effect = Effect::kBuildChanged;
      break;
    }
    case v1::BuildEvent::kSourceResolved:
      build_.set_commit(event.source_resolved().commit());
      effect = Effect::kBuildChanged;
      break;
    case v1::BuildEvent::kBuildFinished:
      for (const auto& [step, log] : event.build_finished().logs()) {
        if (Agrees(step, log)) continue;
        RW_RETURN_IF_ERROR(Rewind(step));
        return Effect::kRewound;
      }
      for (const auto& [step, tally] : tallies_) {
        if (tally.size > 0 && event.build_finished().logs().count(step) == 0) {
          return Broken(event, absl::StrCat("the end of the build leaves out the log of ", step));
        }
      }
      effect = Effect::kFinished;
      break;
    default:
      // Warnings, plans, artifacts, and kinds that this master does not know: kept and passed on.
      break;
  }
  build_.set_last_sequence(event.sequence());
  return effect;
}

void BuildTracker::StartAttempt(int attempt) {
  build_.set_attempt(attempt);
  build_.set_last_sequence(0);
  build_.clear_steps();
  build_.clear_artifacts();
  build_.clear_started_at();
  tallies_.clear();
  emptied_logs_.clear();
  rewinds_ = 0;
}

void BuildTracker::TakeState(v1::BuildState state) {
  // States only go forward, and the others are the master's.
  if (state < v1::BUILD_STATE_PREPARING || state > v1::BUILD_STATE_COLLECTING) return;
  if (state > build_.state()) build_.set_state(state);
}

absl::Status BuildTracker::TakeStepStarted(const v1::BuildEvent& event) {
  const std::string& name = event.step_started().step();
  if (!IsStepName(name)) return Broken(event, "the step's name is not 1 to 64 characters of [a-z0-9_]");
  if (tallies_.count(name) > 0) return Broken(event, absl::StrCat("step ", name, " started before"));
  if (tallies_.size() >= kMaxSteps) return Broken(event, absl::StrCat("more than ", kMaxSteps, " steps"));
  Tally& tally = tallies_[name];
  tally.first_sequence = tally.last_sequence = event.sequence();
  tally.state_before = build_.state();
  v1::StepSummary* step = build_.add_steps();
  step->set_name(name);
  step->set_state(v1::STEP_STATE_RUNNING);
  step->set_place(event.step_started().place());
  *step->mutable_started_at() = event.time();
  return absl::OkStatus();
}

absl::Status BuildTracker::TakeStepFinished(const v1::BuildEvent& event) {
  const v1::StepFinished& finished = event.step_finished();
  RW_ASSIGN_OR_RETURN(Tally * tally, TallyOf(finished.step()));
  tally->last_sequence = event.sequence();
  v1::StepSummary* step = StepOf(finished.step());
  step->set_state(finished.state());
  step->set_exit_code(finished.exit_code());
  step->set_signal(finished.signal());
  step->set_peak_memory_bytes(finished.peak_memory_bytes());
  step->set_reason(finished.reason());
  step->set_summary(finished.summary());
  if (finished.has_wall()) *step->mutable_wall() = finished.wall();
  if (finished.has_cpu()) *step->mutable_cpu() = finished.cpu();
  return absl::OkStatus();
}

absl::Status BuildTracker::TakeLogChunk(const v1::BuildEvent& event) {
  const v1::LogChunk& chunk = event.log_chunk();
  RW_ASSIGN_OR_RETURN(Tally * tally, TallyOf(chunk.step()));
  if (chunk.data().size() > kMaxChunkBytes) return Broken(event, "a log chunk holds more than 64 KiB");
  if (chunk.offset() != tally->size) {
    return Broken(event, absl::StrCat("log of ", chunk.step(), " goes on at ", chunk.offset(), ", it has ",
                                      tally->size, " bytes"));
  }
  tally->last_sequence = event.sequence();
  tally->size += static_cast<int64_t>(chunk.data().size());
  tally->digest.Update(chunk.data());
  StepOf(chunk.step())->set_log_bytes(tally->size);
  return absl::OkStatus();
}

v1::StepSummary* BuildTracker::StepOf(absl::string_view name) {
  auto& steps = *build_.mutable_steps();
  // The step in question is nearly always the last one.
  for (int i = steps.size() - 1; i >= 0; --i) {
    if (steps[i].name() == name) return &steps[i];
  }
  return nullptr;
}

absl::StatusOr<BuildTracker::Tally*> BuildTracker::TallyOf(const std::string& step) {
  const auto tally = tallies_.find(step);
  if (tally != tallies_.end()) return &tally->second;
  return absl::InvalidArgumentError(absl::StrCat("event from agent: step '", step, "': it has not started"));
}

bool BuildTracker::Agrees(const std::string& step, const v1::LogDigest& log) {
  const auto tally = tallies_.find(step);
  if (tally == tallies_.end()) return log.size_bytes() == 0;
  return tally->second.size == log.size_bytes() && tally->second.digest.Digest() == log.sha256();
}

absl::Status BuildTracker::Rewind(const std::string& step) {
  if (++rewinds_ > kMaxRewinds) {
    return absl::DataLossError(absl::StrCat("log of step ", step,
                                            ": size or digest still disagree after it was sent ", kMaxRewinds,
                                            " times more"));
  }
  const auto wrong = tallies_.find(step);
  int64_t start = wrong == tallies_.end() ? 1 : wrong->second.first_sequence;
  // No step may keep half of what it said.
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& [name, tally] : tallies_) {
      if (tally.first_sequence >= start || tally.last_sequence < start) continue;
      start = tally.first_sequence;
      moved = true;
    }
  }
  emptied_logs_.clear();
  int64_t earliest = build_.last_sequence() + 1;
  for (auto entry = tallies_.begin(); entry != tallies_.end();) {
    const Tally& tally = entry->second;
    if (tally.first_sequence < start) {
      ++entry;
      continue;
    }
    if (tally.first_sequence < earliest) {
      earliest = tally.first_sequence;
      build_.set_state(tally.state_before);
    }
    emptied_logs_.push_back({build_.id(), build_.attempt(), entry->first});
    auto& steps = *build_.mutable_steps();
    steps.erase(
        std::remove_if(steps.begin(), steps.end(),
                       [&](const v1::StepSummary& summary) { return summary.name() == entry->first; }),
        steps.end());
    entry = tallies_.erase(entry);
  }
  build_.set_last_sequence(start - 1);
  return absl::OkStatus();
}

}  // namespace rootwright::master
