#include "agent/build/event_writer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/build/limits.h"
#include "base/log.h"
#include "base/size_text.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

constexpr size_t kLongestChunk = 64 * 1024;
// Kept of the end of each step whose log is cut.
constexpr size_t kTail = 16 * 1024;
// Of the log limit, what the ends of such steps share: an end tells more than a middle.
constexpr int64_t kLargestReserve = 4 * int64_t{kTail};

int64_t Reserve(int64_t log_limit) { return std::min(kLargestReserve, log_limit / 4); }
constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);
// Before that an estimate would only jump about.
constexpr absl::Duration kEstimateAfter = absl::Seconds(2);
constexpr size_t kLongestWarning = 4096;

v1::LogStream ToProto(OutputStream stream) {
  return stream == OutputStream::kStdout ? v1::LOG_STREAM_STDOUT : v1::LOG_STREAM_STDERR;
}

}  // namespace

v1::Place ToProto(Place place) {
  switch (place) {
    case Place::kHost:
      return v1::PLACE_HOST;
    case Place::kEnvironment:
      return v1::PLACE_ENVIRONMENT;
    case Place::kBoth:
      return v1::PLACE_BOTH;
  }
  return v1::PLACE_UNSPECIFIED;
}

EventWriter::EventWriter(BuildJournal& journal, const Clock& clock, int64_t log_limit,
                         std::function<void()> on_broken)
    : journal_(journal), clock_(clock), log_limit_(log_limit), on_broken_(std::move(on_broken)) {
  quiet_since_ = clock_.Now();
}

void EventWriter::Write(v1::BuildEvent event) {
  if (!status_.ok()) return;
  *event.mutable_time() = ToProto(clock_.Wall());
  status_ = journal_.Append(std::move(event));
  if (!status_.ok()) spdlog::error("journal: {}", std::string(status_.message()));
}

void EventWriter::CallIfBroken() {
  {
    MutexLock lock(mutex_);
    if (status_.ok() || told_broken_) return;
    told_broken_ = true;
  }
  if (on_broken_) on_broken_();
}

void EventWriter::EnterState(v1::BuildState state) {
  {
    MutexLock lock(mutex_);
    v1::BuildEvent event;
    event.mutable_state_changed()->set_state(state);
    Write(std::move(event));
  }
  CallIfBroken();
}

void EventWriter::StartStep(absl::string_view name, int index, int count, Place place,
                            const std::vector<std::string>& coming) {
  {
    MutexLock lock(mutex_);
    step_ = std::string(name);
    step_started_ = quiet_since_ = count_started_ = clock_.Now();
    step_log_bytes_ = 0;
    step_digest_ = Sha256();
    overflow_ = {};
    held_back_.reset();
    progress_written_.reset();
    counted_total_ = counted_done_ = 0;
    v1::BuildEvent event;
    v1::StepStarted* started = event.mutable_step_started();
    started->set_step(step_);
    started->set_index(index);
    started->set_count(count);
    started->set_place(ToProto(place));
    for (const std::string& each : coming) started->add_coming(each);
    Write(std::move(event));
  }
  CallIfBroken();
}

void EventWriter::FinishStep(v1::StepFinished finished) {
  {
    MutexLock lock(mutex_);
    if (held_back_) WriteProgress();
    WriteOverflow();
    v1::LogDigest digest;
    digest.set_size_bytes(step_log_bytes_);
    digest.set_sha256(step_digest_.Digest());
    logs_[step_] = digest;
    finished.set_step(step_);
    *finished.mutable_wall() = rootwright::ToProto(Since(step_started_, clock_.Now()));
    *finished.mutable_log() = std::move(digest);
    v1::BuildEvent event;
    *event.mutable_step_finished() = std::move(finished);
    Write(std::move(event));
    step_.clear();
    quiet_since_ = clock_.Now();
  }
  CallIfBroken();
}

void EventWriter::ArtifactReady(const v1::Artifact& artifact) {
  {
    MutexLock lock(mutex_);
    v1::BuildEvent event;
    *event.mutable_artifact_ready()->mutable_artifact() = artifact;
    Write(std::move(event));
  }
  CallIfBroken();
}

absl::Status EventWriter::Finish(v1::BuildFinished finished) {
  MutexLock lock(mutex_);
  for (const auto& [step, digest] : logs_) (*finished.mutable_logs())[step] = digest;
  v1::BuildEvent event;
  *event.mutable_time() = ToProto(clock_.Wall());
  *event.mutable_build_finished() = std::move(finished);
  return journal_.Append(std::move(event));
}

void EventWriter::WriteChunk(v1::LogStream stream, absl::string_view data, int64_t omitted) {
  v1::BuildEvent event;
  v1::LogChunk* chunk = event.mutable_log_chunk();
  chunk->set_step(step_);
  chunk->set_stream(stream);
  chunk->set_offset(step_log_bytes_);
  chunk->set_data(data.data(), data.size());
  chunk->set_omitted_bytes(omitted);
  Write(std::move(event));
  if (!status_.ok()) return;
  step_digest_.Update(data);
  step_log_bytes_ += static_cast<int64_t>(data.size());
}

void EventWriter::Log(OutputStream stream, absl::string_view data) {
  {
    MutexLock lock(mutex_);
    if (step_.empty()) return;
    quiet_since_ = clock_.Now();
    const size_t room =
        static_cast<size_t>(std::max<int64_t>(log_limit_ - Reserve(log_limit_) - log_bytes_, 0));
    absl::string_view kept =
        overflow_.bytes > 0 ? absl::string_view() : data.substr(0, std::min(room, data.size()));
    const absl::string_view beyond = data.substr(kept.size());
    log_bytes_ += static_cast<int64_t>(kept.size());
    while (!kept.empty()) {
      const absl::string_view piece = kept.substr(0, kLongestChunk);
      WriteChunk(ToProto(stream), piece, 0);
      kept.remove_prefix(piece.size());
    }
    if (!beyond.empty()) {
      if (overflow_.bytes == 0) {
        WriteWarning(absl::StrCat("the build's log limit of ", SizeText(log_limit_),
                                  " is reached: only the end of this step's log is kept from here on"));
      }
      overflow_.bytes += static_cast<int64_t>(beyond.size());
      overflow_.stream = ToProto(stream);
      overflow_.tail.append(beyond.data() + (beyond.size() - std::min(beyond.size(), kTail)),
                            std::min(beyond.size(), kTail));
      if (overflow_.tail.size() > 2 * kTail) overflow_.tail.erase(0, overflow_.tail.size() - kTail);
    }
  }
  CallIfBroken();
}

void EventWriter::WriteOverflow() {
  if (overflow_.bytes == 0) return;
  absl::string_view tail = overflow_.tail;
  // Half of what is left, so that there is always some for the next step.
  const size_t room =
      std::min(kTail, static_cast<size_t>(std::max<int64_t>((log_limit_ - log_bytes_) / 2, 0)));
  if (tail.size() > room) tail.remove_prefix(tail.size() - room);
  log_bytes_ += static_cast<int64_t>(tail.size());
  WriteChunk(overflow_.stream, tail, overflow_.bytes - static_cast<int64_t>(tail.size()));
  overflow_ = {};
}

void EventWriter::Progress(const ProgressUpdate& update) {
  {
    MutexLock lock(mutex_);
    if (step_.empty()) return;
    const Instant now = clock_.Now();
    quiet_since_ = now;
    if (update.total != counted_total_ || update.done < counted_done_) count_started_ = now;
    counted_total_ = update.total;
    counted_done_ = update.done;
    held_back_ = update;
    if (!progress_written_ || Since(*progress_written_, now) >= kProgressInterval) WriteProgress();
  }
  CallIfBroken();
}

void EventWriter::FlushProgress() {
  {
    MutexLock lock(mutex_);
    if (!held_back_ || Since(*progress_written_, clock_.Now()) < kProgressInterval) return;
    WriteProgress();
  }
  CallIfBroken();
}

void EventWriter::WriteProgress() {
  const Instant now = clock_.Now();
  v1::BuildEvent event;
  v1::StepProgress* progress = event.mutable_step_progress();
  progress->set_step(step_);
  progress->set_done(held_back_->done);
  progress->set_total(held_back_->total);
  progress->set_phase(held_back_->phase);
  progress->set_item(held_back_->item);
  const bool bytes = held_back_->unit == ProgressUpdate::Unit::kBytes;
  progress->set_unit(bytes ? v1::PROGRESS_UNIT_BYTES : v1::PROGRESS_UNIT_ITEMS);
  *progress->mutable_elapsed() = ToProto(Since(step_started_, now));
  const absl::Duration counting = Since(count_started_, now);
  if (held_back_->estimate.has_value()) {
    *progress->mutable_estimate() = ToProto(*held_back_->estimate);
  } else if (held_back_->done > 0 && held_back_->total > held_back_->done && counting >= kEstimateAfter) {
    const double left =
        static_cast<double>(held_back_->total - held_back_->done) / static_cast<double>(held_back_->done);
    *progress->mutable_estimate() = ToProto(counting * left);
  }
  Write(std::move(event));
  progress_written_ = now;
  held_back_.reset();
}

void EventWriter::WriteWarning(absl::string_view message) {
  v1::BuildEvent event;
  event.mutable_warning()->set_step(step_);
  event.mutable_warning()->set_message(std::string(message.substr(0, kLongestWarning)));
  Write(std::move(event));
}

void EventWriter::Warn(absl::string_view message) {
  {
    MutexLock lock(mutex_);
    WriteWarning(message);
  }
  CallIfBroken();
}

void EventWriter::SourceResolved(absl::string_view commit, absl::Time commit_time) {
  {
    MutexLock lock(mutex_);
    v1::BuildEvent event;
    event.mutable_source_resolved()->set_commit(std::string(commit));
    *event.mutable_source_resolved()->mutable_commit_time() = ToProto(commit_time);
    Write(std::move(event));
  }
  CallIfBroken();
}

void EventWriter::PlanReady(const PlanSize& size) {
  {
    MutexLock lock(mutex_);
    v1::BuildEvent event;
    v1::PlanReady* plan = event.mutable_plan_ready();
    plan->set_packages(size.packages);
    plan->set_download_bytes(size.download_bytes);
    plan->set_installed_bytes(size.installed_bytes);
    plan->set_binary_packages(size.binary_packages);
    Write(std::move(event));
  }
  CallIfBroken();
}

Instant EventWriter::quiet_since() const {
  MutexLock lock(mutex_);
  return quiet_since_;
}

std::string EventWriter::step() const {
  MutexLock lock(mutex_);
  return step_;
}

absl::Status EventWriter::status() const {
  MutexLock lock(mutex_);
  return status_;
}

}  // namespace rootwright
