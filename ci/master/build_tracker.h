#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/sha256.h"
#include "ci/master/log_store.h"
#include "ci/master/store.h"
#include "rootwright/v1/build.pb.h"
#include "rootwright/v1/event.pb.h"

namespace rootwright::master {

// Follows one attempt of one build through what its agent says: counts sequences, adds up logs and their
// digests, and keeps the Build message true. The same code replays stored events after a restart. Not
// thread-safe: the Farm's mutex guards it.
class BuildTracker {
 public:
  explicit BuildTracker(v1::Build build) : build_(std::move(build)) {}

  enum class Effect {
    // Known already; nothing changed.
    kDuplicate,
    // An event before it is missing; nothing changed, position() tells what to send again from.
    kGap,
    // Taken; nothing of the Build but counters changed.
    kTaken,
    // Taken, and the Build tells something new.
    kBuildChanged,
    // A log does not agree with the digest that the agent gave: all behind position() is void.
    kRewound,
    // Taken; it was BuildFinished and every log agrees.
    kFinished,
  };
  // InvalidArgument when the event breaks the contract, DataLoss when a log still does not agree after it was
  // sent three times. Both are defects of the agent.
  absl::StatusOr<Effect> Apply(const v1::BuildEvent& event);

  // Forgets all of this attempt and starts the next, or the same one anew.
  void StartAttempt(int attempt);
  // Position of the last event taken.
  EventPosition position() const { return {build_.attempt(), build_.last_sequence()}; }
  const v1::Build& build() const { return build_; }
  // For what is the master's own to change: state, agent, outcome, times, artifacts.
  v1::Build& mutable_build() { return build_; }
  // Logs that the last rewind made void.
  const std::vector<LogKey>& emptied_logs() const { return emptied_logs_; }

 private:
  struct Tally {
    int64_t first_sequence = 0;
    int64_t last_sequence = 0;
    int64_t size = 0;
    Sha256 digest;
    v1::BuildState state_before = v1::BUILD_STATE_LEASED;
  };

  absl::Status TakeStepStarted(const v1::BuildEvent& event);
  absl::Status TakeStepFinished(const v1::BuildEvent& event);
  absl::Status TakeLogChunk(const v1::BuildEvent& event);
  void TakeState(v1::BuildState state);
  v1::StepSummary* StepOf(absl::string_view name);
  // The tally of a step that started; InvalidArgument otherwise.
  absl::StatusOr<Tally*> TallyOf(const std::string& step);
  bool Agrees(const std::string& step, const v1::LogDigest& log);
  // Back to before the first event of `step`, and of every step that overlaps it.
  absl::Status Rewind(const std::string& step);

  v1::Build build_;
  std::map<std::string, Tally> tallies_;
  std::vector<LogKey> emptied_logs_;
  int rewinds_ = 0;
};

}  // namespace rootwright::master
