#pragma once

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/config.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "executors/executor.h"
#include "rootwright/v1/agent.pb.h"

namespace rootwright {

// Keeps what the host offers true while the agent runs: libvirt may come later than the agent, go away and
// come back. An absence shorter than config.libvirt_grace changes nothing of what is offered, since machines
// go on without libvirtd; only new builds are refused meanwhile (Health). After a longer one the host offers
// no targets until libvirt is back.
//
// Machines that an earlier life of the agent left are ended before the first target is offered: until then no
// build can have a machine, so all of ours are leftovers.
class HostWatch {
 public:
  // All arguments outlive it.
  HostWatch(const AgentConfig& config, Executor& machines, const Clock& clock)
      : config_(config), machines_(machines), clock_(clock) {}

  struct Sight {
    // Whether libvirt answers.
    absl::Status libvirt;
    // The targets are other ones than before this look; so after the first.
    bool changed = false;
  };
  // To be called every few seconds, by one thread at a time. The first look, each while nothing is offered,
  // and the one that withdraws inspect the whole host, which may take some seconds.
  Sight Look();

  // Whether a machine could be made now. Quick also while libvirt hangs: what the last look saw counts, and a
  // look that waits for its answer. From any thread.
  absl::Status Health() const;

  // Of the last inspection. From any thread.
  HostReport report() const;
  v1::Capabilities capabilities() const;

 private:
  // True when the targets changed.
  bool Inspect();
  // False when it could not be done, and targets must wait.
  bool EndLeftovers();

  const AgentConfig& config_;
  Executor& machines_;
  const Clock& clock_;

  // --- of the thread that looks ---
  bool inspected_ = false;
  bool leftovers_ended_ = false;
  std::optional<Instant> away_since_;

  mutable Mutex mutex_;
  absl::Status libvirt_ RW_GUARDED_BY(mutex_);
  // Set while libvirt is asked.
  std::optional<Instant> asked_at_ RW_GUARDED_BY(mutex_);
  HostReport report_ RW_GUARDED_BY(mutex_);
  v1::Capabilities capabilities_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
