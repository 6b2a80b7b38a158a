#include "ci/master/fleet.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ci/master/request_check.h"
#include "ci/master/turn.h"
#include "proto/proto_time.h"

namespace rootwright::master {
namespace {

constexpr absl::Duration kDurableWithin = absl::Seconds(20);

absl::Status NoAgent(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("no agent named '", name, "' ever registered"));
}

v1::Agent Show(Turn& turn, const Farm& farm, const KnownAgent& agent) {
  const AgentView view = turn.ViewOf(agent);
  v1::Agent shown = agent.record.agent;
  shown.set_state(!view.connected ? v1::AGENT_STATE_OFFLINE
                  : view.drained  ? v1::AGENT_STATE_DRAINING
                                  : v1::AGENT_STATE_READY);
  shown.set_drain_reason(view.drain_reason);
  shown.set_free_slots(view.connected ? view.free_slots : 0);
  shown.clear_build_ids();
  if (view.connected) shown.mutable_kept()->Assign(agent.kept.begin(), agent.kept.end());
  for (const LeaseRecord& lease : turn.leases().OfAgent(view.name)) shown.add_build_ids(lease.build_id);
  if (agent.session != nullptr) {
    const absl::Time heard = farm.clock.Wall() - Since(agent.session->heard_at, turn.now());
    *shown.mutable_last_heard_at() = ToProto(heard);
  }
  return shown;
}

}  // namespace

std::vector<v1::Agent> Fleet::List() const {
  Turn turn(farm_);
  std::vector<v1::Agent> agents;
  for (const auto& [name, agent] : turn.agents()) agents.push_back(Show(turn, farm_, agent));
  return agents;
}

absl::StatusOr<v1::Agent> Fleet::Get(const std::string& name) const {
  Turn turn(farm_);
  const auto agent = turn.agents().find(name);
  if (agent == turn.agents().end()) return NoAgent(name);
  return Show(turn, farm_, agent->second);
}

absl::StatusOr<v1::Agent> Fleet::Drain(const std::string& name, const std::string& reason) {
  if (!IsPrintable(reason, 512)) {
    return absl::InvalidArgumentError("drain: reason: must be at most 512 printable bytes");
  }
  {
    Turn turn(farm_);
    const auto found = turn.agents().find(name);
    if (found == turn.agents().end()) return NoAgent(name);
    KnownAgent& agent = found->second;
    if (agent.record.drained_at == 0) agent.record.drained_at = absl::ToUnixSeconds(farm_.clock.Wall());
    agent.record.agent.set_drain_reason(reason);
    turn.SaveAgent(agent);
    if (agent.session != nullptr) {
      v1::AttachResponse message;
      message.mutable_drain()->set_reason(reason);
      turn.Send(*agent.session, std::move(message));
    }
  }
  RW_RETURN_IF_ERROR(farm_.committer.Flush(Deadline::In(kDurableWithin)));
  return Get(name);
}

absl::StatusOr<v1::Agent> Fleet::Resume(const std::string& name) {
  {
    Turn turn(farm_);
    const auto found = turn.agents().find(name);
    if (found == turn.agents().end()) return NoAgent(name);
    KnownAgent& agent = found->second;
    agent.record.drained_at = 0;
    agent.record.agent.clear_drain_reason();
    agent.drained_by_itself = false;
    turn.SaveAgent(agent);
    if (agent.session != nullptr) {
      v1::AttachResponse message;
      message.mutable_drain()->set_resume(true);
      turn.Send(*agent.session, std::move(message));
    }
    turn.Dispatch();
  }
  RW_RETURN_IF_ERROR(farm_.committer.Flush(Deadline::In(kDurableWithin)));
  return Get(name);
}

absl::StatusOr<v1::ExplainPendingResponse> Fleet::ExplainPending(const std::string& id) const {
  Turn turn(farm_);
  const ActiveBuild* build = turn.Find(id);
  const auto before = turn.queue().Before(id);
  if (build == nullptr || !before) {
    return absl::FailedPreconditionError(
        absl::StrCat("build ", id, " does not wait: it has been given to an agent or has ended"));
  }
  std::string waits;
  if (const absl::Duration left = turn.Delayed(*build); left > absl::ZeroDuration()) {
    waits = absl::StrCat("waits ", WholeSeconds(left), " before attempt ", build->build().attempt(), ": ",
                         build->build().infrastructure_error().message());
  }
  return Explain(build->build().request(), turn.AgentViews(*build), *before, waits);
}

}  // namespace rootwright::master
