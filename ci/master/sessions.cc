#include "ci/master/sessions.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "base/version.h"
#include "proto/proto_time.h"

namespace rootwright::master {
namespace {

bool IsAgentName(absl::string_view name) {
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '-';
  });
}

v1::AttachResponse CancelMessage(const std::string& build_id, const std::string& lease_id,
                                 const std::string& reason) {
  v1::AttachResponse message;
  message.mutable_cancel()->set_build_id(build_id);
  message.mutable_cancel()->set_lease_id(lease_id);
  message.mutable_cancel()->set_reason(reason);
  return message;
}

v1::AttachResponse Ack(const std::string& build_id, int64_t sequence) {
  v1::AttachResponse message;
  message.mutable_event_ack()->set_build_id(build_id);
  message.mutable_event_ack()->set_sequence(sequence);
  return message;
}

}  // namespace

std::shared_ptr<Session> Sessions::Open(std::weak_ptr<Waker> reader) {
  auto session = std::make_shared<Session>(std::move(reader));
  session->heard_at = farm_.clock.Now();
  return session;
}

absl::Status Sessions::Receive(const std::shared_ptr<Session>& session, v1::AttachRequest message) {
  Turn turn(farm_);
  if (turn.closed()) return absl::UnavailableError("session: the master is going down");
  session->heard_at = turn.now();
  if (message.has_register_()) return Register(turn, session, message.register_());
  if (session->agent.empty())
    return absl::FailedPreconditionError("session: its first message must be Register");
  KnownAgent& agent = turn.agents()[session->agent];
  // Taken over by a newer session, which already said Goodbye here.
  if (agent.session != session) return absl::OkStatus();
  switch (message.kind_case()) {
    case v1::AttachRequest::kHeartbeat:
      Heartbeat(turn, agent, message.heartbeat());
      break;
    case v1::AttachRequest::kLeaseReply:
      TakeLeaseReply(turn, agent, message.lease_reply());
      break;
    case v1::AttachRequest::kEventBatch:
      TakeEvents(turn, *session, std::move(*message.mutable_event_batch()));
      break;
    case v1::AttachRequest::kDraining:
      agent.drained_by_itself = !message.draining().resumed();
      agent.own_drain_reason = message.draining().reason();
      agent.refusal.Clear();
      break;
    default:
      // A newer agent's message: not for us.
      break;
  }
  return absl::OkStatus();
}

absl::Status Sessions::Register(Turn& turn, const std::shared_ptr<Session>& session,
                                const v1::Register& message) {
  if (!session->agent.empty()) return absl::FailedPreconditionError("session: it is registered already");
  if (!IsAgentName(message.agent())) {
    return absl::InvalidArgumentError("register: agent: the name must be 1 to 63 characters of [a-z0-9.-]");
  }
  KnownAgent& agent = turn.agents()[message.agent()];
  if (agent.session != nullptr) {
    const bool same_process = agent.session->incarnation == message.incarnation();
    turn.CloseSession(agent, absl::StrCat("another session of agent '", message.agent(), "' took over"),
                      same_process);
  }
  session->agent = message.agent();
  session->incarnation = message.incarnation();
  session->id = RandomHex(16);
  agent.session = session;
  agent.refusal.Clear();
  // Its first heartbeat follows at once.
  agent.free_slots = -1;
  agent.kept.clear();
  agent.free_memory_bytes = agent.free_disk_bytes = -1;
  agent.promised_slots = 0;
  agent.promised_memory_bytes = agent.promised_disk_bytes = 0;
  agent.drained_by_itself = false;
  v1::Agent& known = agent.record.agent;
  known.set_name(message.agent());
  known.set_version(message.version());
  *known.mutable_capabilities() = message.capabilities();
  *known.mutable_connected_at() = ToProto(farm_.clock.Wall());
  turn.SaveAgent(agent);

  v1::AttachResponse answer;
  v1::Welcome* welcome = answer.mutable_welcome();
  welcome->set_session_id(session->id);
  *welcome->mutable_heartbeat_interval() = ToProto(farm_.times.heartbeat());
  *welcome->mutable_session_timeout() = ToProto(farm_.times.session_timeout());
  welcome->set_version(kVersion);
  for (const v1::HeldBuild& held : message.held_builds()) {
    *welcome->add_held_builds() = JudgeHeld(turn, message.agent(), held);
  }
  turn.Send(*session, std::move(answer));
  if (agent.record.drained_at != 0) {
    v1::AttachResponse drain;
    drain.mutable_drain()->set_reason(known.drain_reason());
    turn.Send(*session, std::move(drain));
  }
  for (const LeaseRecord& lease : turn.leases().OfAgent(message.agent())) {
    const ActiveBuild* build = turn.Find(lease.build_id);
    if (build != nullptr && build->cancel_reason) {
      turn.Send(*session, CancelMessage(lease.build_id, lease.id, *build->cancel_reason));
    }
  }
  TakeBackForgotten(turn, message.agent(), message);
  spdlog::info("agent {} {} is connected", message.agent(), message.version());
  turn.Dispatch();
  return absl::OkStatus();
}

v1::HeldBuildVerdict Sessions::JudgeHeld(Turn& turn, const std::string& agent, const v1::HeldBuild& held) {
  v1::HeldBuildVerdict verdict;
  verdict.set_build_id(held.build_id());
  verdict.set_action(v1::HeldBuildVerdict::ACTION_DISCARD);
  const LeaseRecord* lease = turn.leases().Find(held.lease_id());
  const ActiveBuild* build = turn.Find(held.build_id());
  if (lease == nullptr || build == nullptr || lease->agent != agent || build->lease_id != held.lease_id()) {
    return verdict;
  }
  turn.leases().Renew(held.lease_id(), turn.now());
  verdict.set_action(v1::HeldBuildVerdict::ACTION_CONTINUE);
  // Only what is on the disk: the agent forgets everything up to here.
  const EventPosition stored = build->feed->stored();
  verdict.set_acknowledged_sequence(stored.attempt == build->build().attempt() ? stored.sequence : 0);
  return verdict;
}

void Sessions::TakeBackForgotten(Turn& turn, const std::string& agent, const v1::Register& message) {
  std::set<std::string> held;
  for (const v1::HeldBuild& build : message.held_builds()) held.insert(build.lease_id());
  for (const LeaseRecord& lease : turn.leases().OfAgent(agent)) {
    if (held.count(lease.id) > 0) continue;
    ActiveBuild* build = turn.Find(lease.build_id);
    if (build == nullptr || build->lease_id != lease.id) continue;
    if (build->build().has_started_at() || build->build().last_sequence() > 0 || build->cancel_reason) {
      turn.EndAttempt(*build,
                      MakeError(v1::INFRASTRUCTURE_ERROR_CODE_LOST,
                                absl::StrCat("build lost: agent ", agent, ": came back without it"), true));
    } else {
      turn.TakeBack(*build);
    }
  }
}

void Sessions::Heartbeat(Turn& turn, KnownAgent& agent, const v1::Heartbeat& message) {
  const std::string& name = agent.record.agent.name();
  TakeRoom(turn, agent, message);
  for (const std::string& id : message.lease_ids()) {
    const LeaseRecord* lease = turn.leases().Find(id);
    if (lease == nullptr || lease->agent != name) continue;
    turn.leases().Renew(id, turn.now());
    v1::AttachResponse renewal;
    renewal.mutable_lease_renewal()->set_lease_id(id);
    *renewal.mutable_lease_renewal()->mutable_expires_in() = ToProto(farm_.times.lease());
    turn.Send(*agent.session, std::move(renewal));
  }
  turn.Dispatch();
}

void Sessions::TakeRoom(Turn& turn, KnownAgent& agent, const v1::Heartbeat& message) {
  const int64_t memory = message.has_free_memory_bytes() ? message.free_memory_bytes() : -1;
  // The first report after Register is no growth.
  const bool grew =
      agent.free_slots >= 0 && (message.free_slots() > agent.free_slots || memory > agent.free_memory_bytes);
  agent.free_slots = message.free_slots();
  agent.free_memory_bytes = memory;
  agent.free_disk_bytes = message.has_free_disk_bytes() ? message.free_disk_bytes() : -1;
  agent.kept.assign(message.kept().begin(), message.kept().end());
  agent.promised_slots = 0;
  agent.promised_memory_bytes = agent.promised_disk_bytes = 0;
  if (!grew) return;
  // What was short may be there now.
  for (auto& [id, build] : turn.builds()) build.refusals.erase(agent.record.agent.name());
}

void Sessions::TakeLeaseReply(Turn& turn, KnownAgent& agent, const v1::LeaseReply& message) {
  const LeaseRecord* lease = turn.leases().Find(message.lease_id());
  if (lease == nullptr || lease->agent != agent.record.agent.name()) return;
  ActiveBuild* build = turn.Find(lease->build_id);
  if (build == nullptr || build->lease_id != message.lease_id()) return;
  if (message.accepted()) {
    agent.refusal.Clear();
    build->refusals.clear();
    turn.leases().Renew(message.lease_id(), turn.now());
    v1::Build& changed = build->tracker.mutable_build();
    if (!changed.has_started_at()) {
      *changed.mutable_started_at() = ToProto(farm_.clock.Wall());
    }
    turn.Announce(*build);
    return;
  }
  spdlog::warn("agent {} gave build {} back: {}", agent.record.agent.name(), build->build().id(),
               message.reason());
  const bool every_build = message.refusal() == v1::LeaseReply::REFUSAL_HOST;
  Refusal& refusal = every_build ? agent.refusal : build->refusals[agent.record.agent.name()];
  refusal.Add(message.reason(), turn.now());
  if (build->cancel_reason) {
    turn.Finish(*build, {v1::OUTCOME_CANCELLED, *build->cancel_reason, std::nullopt});
  } else {
    turn.TakeBack(*build);
  }
  turn.Dispatch();
}

void Sessions::TakeEvents(Turn& turn, Session& session, v1::EventBatch message) {
  const LeaseRecord* lease = turn.leases().Find(message.lease_id());
  ActiveBuild* build = turn.Find(message.build_id());
  const bool in_force = lease != nullptr && build != nullptr && lease->agent == session.agent &&
                        build->lease_id == message.lease_id();
  if (!in_force) {
    turn.Send(session, CancelMessage(message.build_id(), message.lease_id(), "the lease is not in force"));
    return;
  }
  const TakenEvents taken = ApplyEvents(*build, std::move(message));
  turn.WakeWatchers(*build);
  if (taken.changed || taken.rewound) turn.Save(*build);
  StoreEvents(session, *build, taken);
  if (!taken.broken.ok()) {
    const std::string why(taken.broken.message());
    turn.Send(session, CancelMessage(build->id(), build->lease_id, why));
    turn.EndAttempt(*build, MakeError(v1::INFRASTRUCTURE_ERROR_CODE_AGENT, why, false));
  } else if (taken.finished) {
    turn.Complete(*build, *taken.finished);
  }
  if (build->lease_id.empty()) turn.Dispatch();
}

Sessions::TakenEvents Sessions::ApplyEvents(ActiveBuild& build, v1::EventBatch message) {
  TakenEvents taken;
  for (v1::BuildEvent& event : *message.mutable_events()) {
    const absl::StatusOr<BuildTracker::Effect> effect = build.tracker.Apply(event);
    taken.broken = effect.status();
    if (!effect.ok() || *effect == BuildTracker::Effect::kGap) break;
    if (*effect == BuildTracker::Effect::kDuplicate) continue;
    if (*effect == BuildTracker::Effect::kRewound) {
      taken.rewound = build.tracker.position();
      break;
    }
    taken.changed |= *effect != BuildTracker::Effect::kTaken;
    if (*effect == BuildTracker::Effect::kFinished) taken.finished = event.build_finished();
    auto shared = std::make_shared<const v1::BuildEvent>(std::move(event));
    taken.bytes += 256 + shared->log_chunk().data().size();
    build.feed->Publish(shared);
    taken.events.push_back({build.id(), std::move(shared)});
    if (taken.finished) break;
  }
  if (taken.rewound) {
    const int64_t last = taken.rewound->sequence;
    spdlog::warn("build {}: a log does not agree; asking for events after {} again", build.id(), last);
    build.feed->Rewind(*taken.rewound);
    std::erase_if(taken.events, [&](const EventRecord& record) { return record.event->sequence() > last; });
  }
  return taken;
}

void Sessions::StoreEvents(Session& session, ActiveBuild& build, const TakenEvents& taken) {
  const EventPosition position = build.tracker.position();
  farm_.committer.Add(
      [&](Batch& batch) {
        if (taken.rewound) {
          batch.Rewind(build.id(), *taken.rewound);
          const auto& logs = build.tracker.emptied_logs();
          batch.emptied_logs.insert(batch.emptied_logs.end(), logs.begin(), logs.end());
        }
        batch.events.insert(batch.events.end(), taken.events.begin(), taken.events.end());
      },
      taken.bytes, taken.finished ? Committer::Urgency::kNow : Committer::Urgency::kSoon,
      [feed = build.feed, rewinds = build.feed->rewinds(), outbox = session.outbox, id = build.id(),
       position] {
        feed->SetStored(position, rewinds);
        outbox->Put(Ack(id, position.sequence));
        outbox->Wake();
        // Readers of logs see what is on the disk.
        feed->Wake();
      });
}

void Sessions::Close(const std::shared_ptr<Session>& session) {
  Turn turn(farm_);
  session->outbox->Close(absl::OkStatus());
  const auto agent = turn.agents().find(session->agent);
  if (agent == turn.agents().end() || agent->second.session != session) return;
  agent->second.session = nullptr;
  turn.SaveAgent(agent->second);
  spdlog::info("agent {} is disconnected", session->agent);
}

void Sessions::Tick() {
  Turn turn(farm_);
  if (turn.closed()) return;
  for (auto& [name, agent] : turn.agents()) {
    if (agent.session == nullptr) continue;
    const absl::Duration silent = Since(agent.session->heard_at, turn.now());
    if (silent <= farm_.times.session_timeout()) continue;
    spdlog::warn("agent {} was not heard of for {}", name, absl::FormatDuration(silent));
    turn.CloseSession(agent, absl::StrCat("not heard of for ", absl::FormatDuration(silent)), true);
  }
  for (const std::string& id : turn.leases().Expired(turn.now())) {
    const LeaseRecord lease = *turn.leases().Find(id);
    ActiveBuild* build = turn.Find(lease.build_id);
    if (build == nullptr || build->lease_id != id) {
      turn.leases().End(id);
      continue;
    }
    turn.EndAttempt(*build, MakeError(v1::INFRASTRUCTURE_ERROR_CODE_LOST,
                                      absl::StrCat("build lost: agent ", lease.agent,
                                                   ": not heard of until its lease ran out"),
                                      true));
  }
  turn.Dispatch();
}

}  // namespace rootwright::master
