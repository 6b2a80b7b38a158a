#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/build/ending.h"
#include "agent/journal/build_journal.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/sha256.h"
#include "executors/step.h"

namespace rootwright {

// Turns what steps tell into events of the journal: cuts logs into chunks, counts and digests them, keeps to
// the log limit, and lets progress through ten times a second. Steps call it from the build's thread, the
// watchdog calls FlushProgress and quiet_since from its own.
class EventWriter : public StepReporter {
 public:
  // `on_broken` is called once, from the failing call, when the journal cannot be written any more; what
  // comes after is dropped, except the end.
  EventWriter(BuildJournal& journal, const Clock& clock, int64_t log_limit, std::function<void()> on_broken);

  void EnterState(v1::BuildState state);
  void StartStep(absl::string_view name, int index, int count, Place place,
                 const std::vector<std::string>& coming = {});
  // `event` has everything but step, wall and log.
  void FinishStep(v1::StepFinished event);
  void ArtifactReady(const v1::Artifact& artifact);
  // The last event. Also when the journal is broken: there is space kept for it.
  absl::Status Finish(v1::BuildFinished event);

  // --- StepReporter ---
  void Log(OutputStream stream, absl::string_view data) override;
  void Progress(const ProgressUpdate& update) override;
  void Warn(absl::string_view message) override;
  void SourceResolved(absl::string_view commit, absl::Time commit_time) override;
  void PlanReady(const PlanSize& size) override;

  // Writes progress that came too soon after the last, once its time has come.
  void FlushProgress();
  // When the last sign of life came from a step.
  Instant quiet_since() const;
  // The step in hand; empty between steps.
  std::string step() const;
  // The journal's first error.
  absl::Status status() const;

 private:
  // Bytes of the step in hand that the log limit left out; its last ones are kept, as they tell why it
  // failed.
  struct Overflow {
    int64_t bytes = 0;
    v1::LogStream stream = v1::LOG_STREAM_STDOUT;
    std::string tail;
  };

  void Write(v1::BuildEvent event) RW_REQUIRES(mutex_);
  void WriteChunk(v1::LogStream stream, absl::string_view data, int64_t omitted) RW_REQUIRES(mutex_);
  void WriteProgress() RW_REQUIRES(mutex_);
  void WriteOverflow() RW_REQUIRES(mutex_);
  void WriteWarning(absl::string_view message) RW_REQUIRES(mutex_);
  void CallIfBroken();

  BuildJournal& journal_;
  const Clock& clock_;
  const int64_t log_limit_;
  const std::function<void()> on_broken_;
  mutable Mutex mutex_;
  absl::Status status_ RW_GUARDED_BY(mutex_);
  bool told_broken_ RW_GUARDED_BY(mutex_) = false;
  int64_t log_bytes_ RW_GUARDED_BY(mutex_) = 0;
  std::map<std::string, v1::LogDigest> logs_ RW_GUARDED_BY(mutex_);
  Instant quiet_since_ RW_GUARDED_BY(mutex_);

  // Of the step in hand.
  std::string step_ RW_GUARDED_BY(mutex_);
  Instant step_started_ RW_GUARDED_BY(mutex_);
  int64_t step_log_bytes_ RW_GUARDED_BY(mutex_) = 0;
  Sha256 step_digest_ RW_GUARDED_BY(mutex_);
  Overflow overflow_ RW_GUARDED_BY(mutex_);
  std::optional<ProgressUpdate> held_back_ RW_GUARDED_BY(mutex_);
  std::optional<Instant> progress_written_ RW_GUARDED_BY(mutex_);
  // Of the last progress; a count that grows says how long the rest may take, whatever its phases.
  int64_t counted_done_ RW_GUARDED_BY(mutex_) = 0;
  int64_t counted_total_ RW_GUARDED_BY(mutex_) = 0;
  Instant count_started_ RW_GUARDED_BY(mutex_);
};

v1::Place ToProto(Place place);

}  // namespace rootwright
