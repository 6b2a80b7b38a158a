#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/build/drain.h"
#include "agent/build/lease_holder.h"
#include "agent/journal/journals.h"
#include "agent/link/shells.h"
#include "base/clock.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// What the agent says of itself when it registers.
struct AgentIdentity {
  std::string name;
  // Made anew at each start: 32 hexadecimal digits.
  std::string incarnation;
  std::string version;
  // Asked at each connection: what a host offers changes.
  std::function<v1::Capabilities()> capabilities;
};

// The agent's side of the conversation with the master, without the wire: messages in, messages out. It
// outlives connections, as leases do. Used from one thread; what it is given outlives it.
class Session {
 public:
  Session(AgentIdentity identity, Journals& journals, LeaseHolder& builds, Drain& drain, ShellServer& shells,
          const Clock& clock);

  // A connection is there: its first message, Register.
  v1::AttachRequest Open();
  // The connection is gone; builds go on as each request says.
  void Close();

  void Receive(const v1::AttachResponse& message);
  // What is to be sent now: answers, heartbeats, and new events, at most one batch for each build. To be
  // called again until it is empty, and then after each ring of the doorbell or at next_look().
  std::vector<v1::AttachRequest> Poll();
  Deadline next_look() const;

  // Welcome was received on this connection.
  bool welcomed() const { return welcomed_; }
  // The conversation is over when this is set.
  const std::optional<v1::Goodbye>& goodbye() const { return goodbye_; }

 private:
  // One journal's way to the master on this connection.
  struct Delivery {
    std::shared_ptr<BuildJournal> journal;
    int64_t sent = 0;
    EventCursor cursor;
    struct Batch {
      int64_t last_sequence;
      size_t bytes;
    };
    std::deque<Batch> unacknowledged;
    size_t unacknowledged_bytes = 0;
  };

  void Welcomed(const v1::Welcome& welcome);
  void Leased(const v1::Lease& lease);
  void Acknowledged(const v1::EventAck& ack);
  void LookAtLeases(Instant now);
  void AddHeartbeat(Instant now, const LeaseHolder::Room& room, std::vector<LeaseHolder::Kept> kept);
  std::optional<v1::AttachRequest> NextBatch(Delivery& delivery);

  const AgentIdentity identity_;
  Journals& journals_;
  LeaseHolder& builds_;
  Drain& drain_;
  ShellServer& shells_;
  const Clock& clock_;

  // By lease id; on the monotonic clock. Never: a connection without a renewal yet.
  std::map<std::string, Deadline, std::less<>> lease_ends_;
  Instant heard_at_;

  // --- of this connection ---
  bool welcomed_ = false;
  std::optional<v1::Goodbye> goodbye_;
  absl::Duration heartbeat_interval_ = absl::Seconds(10);
  Instant next_heartbeat_;
  bool told_draining_ = false;
  LeaseHolder::Room told_room_;
  std::vector<LeaseHolder::Kept> told_kept_;
  std::vector<v1::AttachRequest> answers_;
  // By lease id.
  std::map<std::string, Delivery, std::less<>> deliveries_;
};

}  // namespace rootwright
