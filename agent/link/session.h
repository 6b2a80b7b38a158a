#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "agent/journal/doorbell.h"
#include "agent/journal/journals.h"
#include "agent/link/lease_holder.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// The agent's side of the conversation with the master, without the wire: what it hears goes in, what is to be
// said comes out. It outlives its connections; each begins with Connected. Thread-safe: one thread may
// receive while another sends.
class Session {
 public:
  // Who this agent is; asked at each registration, because capabilities may have changed.
  using Introduction = std::function<v1::Register()>;

  // All of them outlive the session. `doorbell` is rung when there is something to send.
  Session(Introduction introduction, Journals& journals, LeaseHolder& holder, Doorbell& doorbell, const Clock& clock)
      : introduction_(std::move(introduction)), journals_(journals), holder_(holder), doorbell_(doorbell), clock_(clock) {}

  // A new connection is up: its first message.
  v1::AttachRequest Connected();
  // The connection is gone.
  void Disconnected();

  // An error ends the connection: Aborted after a Goodbye, InvalidArgument when the master broke the contract.
  absl::Status Receive(const v1::AttachResponse& message);

  // What is to be said next; nothing before the master's Welcome.
  std::optional<v1::AttachRequest> Next();
  // When Next, or Tick while there is no connection, has to be asked again though nobody rang.
  Instant Due() const;
  // Ends builds whose time without a master is over.
  void Tick();

  // The agent itself takes no more builds; told to the master at once and after each reconnect. Absent: resumed.
  void SetOwnDraining(std::optional<std::string> reason);

  // Welcomed and not yet disconnected.
  bool linked() const;
  // The master said Goodbye and not to come back; its reason.
  std::optional<std::string> dismissed() const;

 private:
  // What of one journal is under way.
  struct Sending {
    int64_t sent = 0;
    EventCursor cursor;
  };

  absl::Status Welcome(const v1::Welcome& welcome);
  void TakeLease(const v1::Lease& lease);
  void TakeAck(const v1::EventAck& ack);
  std::optional<v1::AttachRequest> NextEvents() RW_REQUIRES(mutex_);
  v1::AttachRequest HeartbeatMessage() const;
  void RemoveDelivered(const BuildJournal& journal);

  const Introduction introduction_;
  Journals& journals_;
  LeaseHolder& holder_;
  Doorbell& doorbell_;
  const Clock& clock_;

  mutable Mutex mutex_;
  bool welcomed_ RW_GUARDED_BY(mutex_) = false;
  absl::Duration heartbeat_interval_ RW_GUARDED_BY(mutex_) = absl::Seconds(5);
  Instant next_heartbeat_ RW_GUARDED_BY(mutex_);
  // Since when there has been no master; absent while linked and before the first connection.
  std::optional<Instant> alone_since_ RW_GUARDED_BY(mutex_);
  std::optional<std::string> own_draining_ RW_GUARDED_BY(mutex_);
  std::optional<std::string> dismissed_ RW_GUARDED_BY(mutex_);
  std::deque<v1::AttachRequest> replies_ RW_GUARDED_BY(mutex_);
  // By lease id.
  std::map<std::string, Sending> sending_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
