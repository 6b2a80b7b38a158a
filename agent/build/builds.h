#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/build/build.h"
#include "agent/build/drain.h"
#include "agent/build/lease_holder.h"
#include "agent/build/slots.h"
#include "agent/journal/journals.h"
#include "base/mutex.h"
#include "rootwright/v1/agent_admin_service.pb.h"

namespace rootwright {

// The builds that this agent runs, each on a thread of its own. Everything given to it outlives it.
class Builds : public LeaseHolder {
 public:
  // Whether builds can have environments of that kind now, and if not, why; quick. From any thread.
  using HostHealth = std::function<absl::Status(Isolation)>;

  Builds(Journals& journals, Slots& slots, const Drain& drain, StatePaths paths, BuildPolicy policy,
         Build::Host host, Doorbell& doorbell, HostHealth health);
  // Ends and waits for what still runs.
  ~Builds() override;

  // Unavailable: no build now, as the agent drains or the host is not well. Any other error is about this
  // one: FailedPrecondition (not on this host), ResourceExhausted (no room for it), Aborted (an earlier
  // attempt of it is still ending).
  absl::Status Take(const v1::Lease& lease) override;
  void End(absl::string_view lease_id, Ending ending) override;
  void Discard(absl::string_view lease_id) override;
  bool IsRunning(absl::string_view lease_id) const override;
  Room room() const override;
  std::vector<Kept> kept() const override;
  void ReleaseKept(absl::string_view build_id) override;
  absl::StatusOr<std::unique_ptr<Shell>> OpenShell(absl::string_view build_id, const ShellCommand& command,
                                                   std::stop_token stop) override;

  // What this host builds from now on; builds that run go on.
  void SetTargets(std::set<BuildTarget> targets);
  // Asks all of them to end that way.
  void EndAll(const Ending& ending);
  // Those whose end is not in the journal yet; files of others may still be being removed.
  int running() const;
  // For the operator: builds in the journal, running ones first.
  std::vector<v1::AgentBuild> List() const;
  // Also of one that is kept. NotFound when no build of that id, or of a prefix that fits only one, runs
  // here.
  absl::Status CancelBuild(absl::string_view build_id, absl::string_view reason);

  // Gives every build that an earlier life of the agent left unfinished its last event. Before the first
  // Take.
  static void FinishAbandoned(Journals& journals, const Clock& clock);

 private:
  struct Running {
    Running(std::shared_ptr<BuildJournal> of, absl::StatusOr<PlannedBuild> plan, const Build::Host& host,
            Slots::Slot taken)
        : journal(of),
          build(std::move(of), std::move(plan), host),
          slot(std::make_unique<Slots::Slot>(std::move(taken))) {}
    std::shared_ptr<BuildJournal> journal;
    Build build;
    std::unique_ptr<Slots::Slot> slot;
    bool discard = false;
    // What is kept of it is wanted no longer.
    bool released = false;
    // Its end is in the journal and its files are gone.
    bool ended = false;
    std::jthread thread;

    // Until its end is in the journal; then its files are removed.
    bool goes_on() const { return build.state() != v1::BUILD_STATE_FINISHED && !ended; }
  };

  BuildPolicy Policy() const;
  void Run(Running& running);
  // Until what is kept of the build goes.
  void WaitWhileKept(Running& running);
  // Taken, and its thread not joined yet.
  bool IsHere(absl::string_view lease_id) const;
  // Its files may still be there.
  bool HasAttemptOf(absl::string_view build_id) const;
  // Null when it has ended.
  std::shared_ptr<Running> FindRunning(absl::string_view lease_id) const;
  // Joins the threads of builds that have ended.
  void Sweep();

  Journals& journals_;
  Slots& slots_;
  const Drain& drain_;
  const StatePaths paths_;
  const Build::Host host_;
  Doorbell& doorbell_;
  const HostHealth health_;
  mutable Mutex mutex_;
  CondVar released_;
  BuildPolicy policy_ RW_GUARDED_BY(mutex_);
  // By lease id.
  std::map<std::string, std::shared_ptr<Running>, std::less<>> running_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
