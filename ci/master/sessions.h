#pragma once

#include <memory>

#include "absl/status/status.h"
#include "ci/master/farm.h"
#include "ci/master/turn.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright::master {

// The master's side of the conversations with agents. Each stream is one Session: opened, fed with what the
// agent says, closed. Thread-safe; calls about one session come one at a time.
class Sessions {
 public:
  explicit Sessions(Farm& farm) : farm_(farm) {}

  // `reader` takes from the session's outbox.
  std::shared_ptr<Session> Open(std::weak_ptr<Waker> reader);
  // Never blocks. An error ends the stream with it: the agent broke the contract.
  absl::Status Receive(const std::shared_ptr<Session>& session, v1::AttachRequest message);
  // The stream is gone. The agent's builds stay leased: it may come back.
  void Close(const std::shared_ptr<Session>& session);
  // Ends silent sessions and leases that ran out. Called a few times per heartbeat interval.
  void Tick();

 private:
  absl::Status Register(Turn& turn, const std::shared_ptr<Session>& session, const v1::Register& message);
  v1::HeldBuildVerdict JudgeHeld(Turn& turn, const std::string& agent, const v1::HeldBuild& held);
  void TakeBackForgotten(Turn& turn, const std::string& agent, const v1::Register& message);
  void Heartbeat(Turn& turn, KnownAgent& agent, const v1::Heartbeat& message);
  void TakeRoom(Turn& turn, KnownAgent& agent, const v1::Heartbeat& message);
  void TakeLeaseReply(Turn& turn, KnownAgent& agent, const v1::LeaseReply& message);
  void TakeEvents(Turn& turn, Session& session, v1::EventBatch message);

  // What came of one batch.
  struct TakenEvents {
    // New ones, to be stored.
    std::vector<EventRecord> events;
    size_t bytes = 0;
    // State, steps or results of the build are others now.
    bool changed = false;
    std::optional<v1::BuildFinished> finished;
    // Where the agent has to begin again.
    std::optional<EventPosition> rewound;
    // The agent broke the contract.
    absl::Status broken;
  };
  static TakenEvents ApplyEvents(ActiveBuild& build, v1::EventBatch message);
  void StoreEvents(Session& session, ActiveBuild& build, const TakenEvents& taken);

  Farm& farm_;
};

}  // namespace rootwright::master
