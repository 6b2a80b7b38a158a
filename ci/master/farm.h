#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "ci/master/build_feed.h"
#include "ci/master/build_tracker.h"
#include "ci/master/committer.h"
#include "ci/master/leases.h"
#include "ci/master/matching.h"
#include "ci/master/outbox.h"
#include "ci/master/queue.h"
#include "ci/master/refusal.h"
#include "ci/master/store.h"

namespace rootwright::master {

// One conversation with one agent. Lives as long as its stream or the farm refers to it.
struct Session {
  explicit Session(std::weak_ptr<Waker> reader) : outbox(std::make_shared<Outbox>(std::move(reader))) {}

  // Empty until Register.
  std::string agent;
  std::string id;
  std::string incarnation;
  Instant heard_at;
  const std::shared_ptr<Outbox> outbox;
};

// An agent that registered once.
struct KnownAgent {
  AgentRecord record;
  // Null while it is not connected.
  std::shared_ptr<Session> session;
  // What it said of itself.
  bool drained_by_itself = false;
  std::string own_drain_reason;
  // It takes no build at present.
  Refusal refusal;
  // Of its last heartbeat; -1: not known.
  int free_slots = -1;
  int64_t free_memory_bytes = -1;
  int64_t free_disk_bytes = -1;
  std::vector<v1::KeptEnvironment> kept;
  // To builds that it was given since.
  int promised_slots = 0;
  int64_t promised_memory_bytes = 0;
  int64_t promised_disk_bytes = 0;
};

// A build that is not finished, or whose end is not durable yet.
struct ActiveBuild {
  BuildTracker tracker;
  std::shared_ptr<BuildFeed> feed;
  std::optional<std::string> cancel_reason;
  // Empty while queued.
  std::string lease_id;
  // The agent that the last attempt failed on; another is preferred.
  std::string avoid_agent;
  int64_t order = 0;
  // No agent gets it before. Not kept over a restart of the master: the wait begins anew then.
  Instant not_before;
  // By agents that gave it back.
  std::map<std::string, Refusal, std::less<>> refusals;

  const v1::Build& build() const { return tracker.build(); }
  const std::string& id() const { return build().id(); }
};

// All that the master knows and decides, behind one mutex: held for memory operations only, never for disk or
// network. Nothing here knows gRPC. Submissions, Sessions, Fleet and ArtifactIntake are its faces to
// the world; each of their calls is one Turn.
class Farm {
 public:
  // `store`, `logs` and `clock` outlive it.
  Farm(Store& store_in, LogStore& logs_in, const Clock& clock_in, LeaseTimes times_in)
      : store(store_in),
        logs(logs_in),
        clock(clock_in),
        times(times_in),
        leases(times.lease()),
        committer(store, logs) {}

  // Takes up where the last life of the master ended: builds, queue, leases, agents.
  absl::Status Load();
  // The master ends: sessions are told to come back, watchers that they should ask again.
  void Close();

  Store& store;
  LogStore& logs;
  const Clock& clock;
  const LeaseTimes times;

 private:
  friend class Turn;

  Mutex mutex_;
  std::map<std::string, ActiveBuild, std::less<>> builds RW_GUARDED_BY(mutex_);
  std::map<std::string, KnownAgent, std::less<>> agents RW_GUARDED_BY(mutex_);
  Queue queue RW_GUARDED_BY(mutex_);
  Leases leases RW_GUARDED_BY(mutex_);
  int64_t submissions RW_GUARDED_BY(mutex_) = 0;
  bool closed RW_GUARDED_BY(mutex_) = false;

 public:
  // The last member, so that it ends first: its last callbacks still find the rest.
  Committer committer;
};

}  // namespace rootwright::master
