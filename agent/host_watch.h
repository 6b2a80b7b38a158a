#pragma once

#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/config.h"
#include "agent/host_executors.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "executors/executor.h"
#include "rootwright/v1/agent.pb.h"

namespace rootwright {

// Keeps what the host offers true while the agent runs: libvirt may come later than the agent, go away and
// come back, for machines and for containers each by itself. An absence shorter than config.libvirt_grace
// changes nothing of what is offered, since machines go on without libvirtd; only new builds are refused
// meanwhile (Health). After a longer one the host offers no targets of that kind until libvirt is back.
//
// What an earlier life of the agent left is ended before the first target of its kind is offered: until then
// no build can have such an environment, so all of ours are leftovers.
class HostWatch {
 public:
  // All arguments outlive it.
  HostWatch(const AgentConfig& config, const HostExecutors& executors, const Clock& clock)
      : config_(config), executors_(executors), clock_(clock) {}

  struct Sight {
    // OK when libvirt answers for one kind at least.
    absl::Status libvirt;
    // The targets are other ones than before this look; so after the first.
    bool changed = false;
  };
  // To be called every few seconds, by one thread at a time. The first look, each while nothing is offered,
  // and the one that withdraws inspect the whole host, which may take some seconds.
  Sight Look();

  // Whether an environment of that kind could be made now. Quick also while libvirt hangs: what the last look
  // saw counts, and a look that waits for its answer. From any thread.
  absl::Status Health(Isolation isolation) const;

  // Of the last inspection. From any thread.
  HostReport report() const;
  v1::Capabilities capabilities() const;

 private:
  // True when the targets changed.
  bool Inspect();
  // Asks libvirt, and tells whether what is offered of that kind may have changed.
  bool LookAt(Isolation isolation);
  // False when it could not be done, and targets must wait.
  bool EndLeftovers(Isolation isolation);

  const AgentConfig& config_;
  const HostExecutors& executors_;
  const Clock& clock_;

  // --- of the thread that looks ---
  bool inspected_ = false;
  struct Past {
    bool leftovers_ended = false;
    std::optional<Instant> away_since;
  };
  std::map<Isolation, Past> past_;

  struct Answer {
    absl::Status libvirt;
    // Set while libvirt is asked.
    std::optional<Instant> asked_at;
  };
  mutable Mutex mutex_;
  std::map<Isolation, Answer> answers_ RW_GUARDED_BY(mutex_);
  HostReport report_ RW_GUARDED_BY(mutex_);
  v1::Capabilities capabilities_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
