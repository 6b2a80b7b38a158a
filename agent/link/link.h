#pragma once

#include <atomic>
#include <functional>
#include <stop_token>

#include "absl/status/status.h"
#include "agent/journal/doorbell.h"
#include "agent/link/backoff.h"
#include "agent/link/conversation.h"
#include "agent/link/session.h"

namespace rootwright {

// Keeps the session with the master up: dials, moves messages between wire and session as soon as the
// doorbell rings, and dials again when the connection is lost. Knows no gRPC.
class Link {
 public:
  // Told when the session comes up or goes down, from the thread of Run.
  using OnLinked = std::function<void(bool)>;

  // All arguments outlive it; `doorbell` is the one that journals, builds and drain ring.
  Link(Session& session, Dialer& dialer, Doorbell& doorbell, const Clock& clock, Backoff backoff,
       OnLinked on_linked);

  // Runs until a stop is asked for (OK), or the master says goodbye for good: its reason, as Aborted.
  absl::Status Run(std::stop_token stop);

  // Ends the connection and dials again, to register with what the host offers now. The master takes the new
  // session for the old one's, and builds go on. From any thread.
  void Redial();

  // A session with the master is up. From any thread.
  bool linked() const { return linked_; }

 private:
  // One connection from dialling to its end. False when the agent is to end.
  bool Converse(std::stop_token stop, absl::Status& end);
  // Waits before the next try, and looks after the leases meanwhile.
  void Pause(std::stop_token stop);
  void SetLinked(bool linked);

  Session& session_;
  Dialer& dialer_;
  Doorbell& doorbell_;
  const Clock& clock_;
  Backoff backoff_;
  const OnLinked on_linked_;
  std::atomic<bool> linked_{false};
  std::atomic<bool> redial_{false};
};

}  // namespace rootwright
