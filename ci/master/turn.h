#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ci/master/farm.h"

namespace rootwright::master {

// How a build ended.
struct Ending {
  v1::Outcome outcome = v1::OUTCOME_UNSPECIFIED;
  std::string reason;
  std::optional<v1::InfrastructureError> error;
};

// One turn at the farm: holds its mutex, makes the moves that a build can make, and tells sessions and
// watchers about them once the mutex is free again. What it changes is on its way to the disk when it ends;
// Committer::Flush waits for it. Never two in one thread.
class RW_THREAD_ANNOTATION(scoped_lockable) Turn {
 public:
  explicit Turn(Farm& farm) RW_THREAD_ANNOTATION(acquire_capability(farm.mutex_));
  ~Turn() RW_THREAD_ANNOTATION(release_capability());
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  auto& builds() { return farm_.builds; }
  auto& agents() { return farm_.agents; }
  Queue& queue() { return farm_.queue; }
  Leases& leases() { return farm_.leases; }
  bool closed() const {
    AssertHeld();
    return farm_.closed;
  }
  void SetClosed() {
    AssertHeld();
    farm_.closed = true;
  }
  Instant now() const { return now_; }

  // Null when it is not active.
  ActiveBuild* Find(absl::string_view build_id);
  ActiveBuild& Add(BuildRecord record);

  // Moves.
  void Enqueue(ActiveBuild& build);
  // Gives waiting builds to agents that can take them.
  void Dispatch();
  // The attempt ended by no fault of the user: tried again if that may help, finished otherwise.
  void EndAttempt(ActiveBuild& build, const v1::InfrastructureError& error);
  // Nobody gets it before the wait before its attempt is over.
  void Delay(ActiveBuild& build) { build.not_before = now_ + absl::ToChronoNanoseconds(WaitOf(build)); }
  // What is left of that wait.
  absl::Duration Delayed(const ActiveBuild& build) const;
  // The agent never started it: the same attempt waits again.
  void TakeBack(ActiveBuild& build);
  void Finish(ActiveBuild& build, const Ending& ending);
  // Asks the agent that keeps the build's environment to give it up. False when none does.
  bool ReleaseKept(const std::string& build_id);
  // The agent said how the attempt ended.
  void Complete(ActiveBuild& build, const v1::BuildFinished& finished);

  // Telling.
  void Send(const Session& session, v1::AttachResponse message);
  void CloseSession(KnownAgent& agent, absl::string_view reason, bool reconnect);
  // The build's row goes to the disk.
  void Save(const ActiveBuild& build, Committer::Urgency urgency = Committer::Urgency::kSoon);
  // The same, and watchers see the Build.
  void Announce(const ActiveBuild& build, Committer::Urgency urgency = Committer::Urgency::kSoon);
  void SaveAgent(const KnownAgent& agent);
  // Its watchers look again after this turn.
  void WakeWatchers(const ActiveBuild& build) { feeds_.insert(build.feed); }

  // What matching sees, by name.
  std::vector<AgentView> AgentViews(const ActiveBuild& build) const;
  AgentView ViewOf(const KnownAgent& agent) const;
  // The same, for one build: with what the agent said of it.
  AgentView ViewOf(const KnownAgent& agent, const ActiveBuild& build) const;

 private:
  // For the compiler's analysis, which does not carry what the constructor locked into the other methods.
  void AssertHeld() const RW_THREAD_ANNOTATION(assert_capability(farm_.mutex_)) {}

  absl::Duration WaitOf(const ActiveBuild& build) const {
    return farm_.times.WaitBefore(build.build().attempt());
  }
  KnownAgent* ChooseAgent(const ActiveBuild& build);
  void GiveOut(ActiveBuild& build, KnownAgent& agent);
  void EndLease(ActiveBuild& build);

  Farm& farm_;
  const Instant now_;
  std::set<std::shared_ptr<BuildFeed>> feeds_;
  std::set<std::shared_ptr<Outbox>> outboxes_;
};

// "agent not heard of" and the like, as the message the user sees.
v1::InfrastructureError MakeError(v1::InfrastructureErrorCode code, std::string message, bool transient);

}  // namespace rootwright::master
