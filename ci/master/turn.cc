#include "ci/master/turn.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "proto/proto_time.h"

namespace rootwright::master {
namespace {

constexpr int kMaxAttempts = 3;

// `room` is -1 when it is not known.
int64_t Less(int64_t room, int64_t promised) {
  return room < 0 ? room : std::max<int64_t>(room - promised, 0);
}

}  // namespace

Turn::Turn(Farm& farm) : farm_(farm), now_(farm.clock.Now()) { farm_.mutex_.Lock(); }

Turn::~Turn() {
  farm_.mutex_.Unlock();
  for (const auto& feed : feeds_) feed->Wake();
  for (const auto& outbox : outboxes_) outbox->Wake();
}

ActiveBuild* Turn::Find(absl::string_view build_id) {
  const auto found = builds().find(std::string(build_id));
  return found == builds().end() ? nullptr : &found->second;
}

ActiveBuild& Turn::Add(BuildRecord record) {
  AssertHeld();
  const std::string id = record.build.id();
  auto feed = std::make_shared<BuildFeed>(record.build, EventPosition{record.build.attempt(), 0});
  ActiveBuild build{BuildTracker(std::move(record.build)),
                    std::move(feed),
                    std::move(record.cancel_reason),
                    "",
                    "",
                    ++farm_.submissions,
                    {},
                    {}};
  return builds().insert_or_assign(id, std::move(build)).first->second;
}

void Turn::Enqueue(ActiveBuild& build) {
  queue().Add(build.build().id(), build.build().request().priority(), build.order);
}

KnownAgent* Turn::ChooseAgent(const ActiveBuild& build) {
  KnownAgent* chosen = nullptr;
  KnownAgent* avoided = nullptr;
  int most_free = 0;
  bool other_can = false;
  for (auto& [name, agent] : agents()) {
    const AgentView view = ViewOf(agent, build);
    const auto reasons = ReasonsAgainst(build.build().request(), view);
    const bool avoid = name == build.avoid_agent;
    // Worth waiting for: it only has no room at the moment.
    const bool refuses = view.refused_for > absl::ZeroDuration();
    if (!avoid && view.connected && !view.drained && !refuses && !CanNever(reasons)) other_can = true;
    if (!reasons.empty()) continue;
    if (avoid) {
      avoided = &agent;
    } else if (view.free_slots > most_free) {
      most_free = view.free_slots;
      chosen = &agent;
    }
  }
  if (chosen == nullptr && !other_can) return avoided;
  return chosen;
}

void Turn::Dispatch() {
  if (closed()) return;
  for (const std::string& id : queue().InOrder()) {
    ActiveBuild* build = Find(id);
    if (Delayed(*build) > absl::ZeroDuration()) continue;
    if (KnownAgent* agent = ChooseAgent(*build)) GiveOut(*build, *agent);
  }
}

void Turn::GiveOut(ActiveBuild& build, KnownAgent& agent) {
  const std::string& name = agent.record.agent.name();
  queue().Remove(build.build().id());
  const LeaseRecord& lease = leases().Grant(build.build().id(), name, build.build().attempt(), now_);
  build.lease_id = lease.id;
  // Until its next heartbeat nothing is given away twice.
  const v1::Capabilities& capabilities = agent.record.agent.capabilities();
  ++agent.promised_slots;
  agent.promised_memory_bytes += MemoryOf(build.build().request(), capabilities);
  agent.promised_disk_bytes += DiskOf(build.build().request(), capabilities);
  v1::Build& changed = build.tracker.mutable_build();
  changed.set_state(v1::BUILD_STATE_LEASED);
  changed.set_agent(name);
  Announce(build);
  farm_.committer.Add([&](Batch& batch) { batch.leases[lease.id] = lease; }, 0, Committer::Urgency::kSoon);

  v1::AttachResponse message;
  v1::Lease* offer = message.mutable_lease();
  offer->set_lease_id(lease.id);
  offer->set_build_id(changed.id());
  offer->set_attempt(changed.attempt());
  *offer->mutable_expires_in() = ToProto(farm_.times.lease());
  *offer->mutable_request() = changed.request();
  Send(*agent.session, std::move(message));
  spdlog::info("build {} attempt {} goes to {}", changed.id(), changed.attempt(), name);
}

void Turn::EndLease(ActiveBuild& build) {
  if (build.lease_id.empty()) return;
  leases().End(build.lease_id);
  farm_.committer.Add([&](Batch& batch) { batch.leases[build.lease_id] = std::nullopt; }, 0,
                      Committer::Urgency::kSoon);
  build.lease_id.clear();
}

void Turn::EndAttempt(ActiveBuild& build, const v1::InfrastructureError& error) {
  const int attempt = build.build().attempt();
  spdlog::warn("build {} attempt {} on {}: {}", build.build().id(), attempt, build.build().agent(),
               error.message());
  if (build.cancel_reason) {
    Finish(build, {v1::OUTCOME_CANCELLED, *build.cancel_reason, std::nullopt});
    return;
  }
  if (!error.transient() || attempt >= kMaxAttempts) {
    Finish(build, {v1::OUTCOME_INFRASTRUCTURE_ERROR, error.message(), error});
    return;
  }
  EndLease(build);
  build.avoid_agent = build.build().agent();
  build.tracker.StartAttempt(attempt + 1);
  *build.tracker.mutable_build().mutable_infrastructure_error() = error;
  Delay(build);
  TakeBack(build);
}

absl::Duration Turn::Delayed(const ActiveBuild& build) const {
  return std::max(Since(now_, build.not_before), absl::ZeroDuration());
}

void Turn::TakeBack(ActiveBuild& build) {
  EndLease(build);
  v1::Build& changed = build.tracker.mutable_build();
  changed.set_state(v1::BUILD_STATE_QUEUED);
  changed.clear_agent();
  Announce(build, Committer::Urgency::kNow);
  Enqueue(build);
}

void Turn::Finish(ActiveBuild& build, const Ending& ending) {
  queue().Remove(build.build().id());
  EndLease(build);
  v1::Build& changed = build.tracker.mutable_build();
  changed.set_state(v1::BUILD_STATE_FINISHED);
  changed.set_outcome(ending.outcome);
  changed.set_reason(ending.reason);
  changed.clear_infrastructure_error();
  if (ending.error) *changed.mutable_infrastructure_error() = *ending.error;
  *changed.mutable_finished_at() = ToProto(farm_.clock.Wall());
  // A step that nobody will finish does not run any more.
  for (v1::StepSummary& step : *changed.mutable_steps()) {
    if (step.state() == v1::STEP_STATE_RUNNING) step.set_state(v1::STEP_STATE_FAILED);
  }
  Announce(build, Committer::Urgency::kNow);
  // Until then readers find it here, as the store still tells an older state.
  farm_.committer.Add(nullptr, 0, Committer::Urgency::kNow, [&farm = farm_, id = changed.id()] {
    Turn turn(farm);
    turn.builds().erase(id);
  });
  spdlog::info("build {} finished: {} {}", changed.id(), v1::Outcome_Name(ending.outcome), ending.reason);
}

void Turn::Complete(ActiveBuild& build, const v1::BuildFinished& finished) {
  if (finished.outcome() == v1::OUTCOME_INFRASTRUCTURE_ERROR) {
    v1::InfrastructureError error = finished.infrastructure_error();
    if (error.message().empty()) error.set_message(finished.reason());
    EndAttempt(build, error);
    return;
  }
  if (finished.has_kept_until()) *build.tracker.mutable_build().mutable_kept_until() = finished.kept_until();
  Finish(build, {finished.outcome(), finished.reason(), std::nullopt});
}

bool Turn::ReleaseKept(const std::string& build_id) {
  for (auto& [name, agent] : agents()) {
    const bool keeps = std::any_of(agent.kept.begin(), agent.kept.end(),
                                   [&](const auto& kept) { return kept.build_id() == build_id; });
    if (!keeps || agent.session == nullptr) continue;
    v1::AttachResponse message;
    message.mutable_release_kept()->set_build_id(build_id);
    Send(*agent.session, std::move(message));
    return true;
  }
  return false;
}

void Turn::Send(const Session& session, v1::AttachResponse message) {
  session.outbox->Put(std::move(message));
  outboxes_.insert(session.outbox);
}

void Turn::CloseSession(KnownAgent& agent, absl::string_view reason, bool reconnect) {
  if (agent.session == nullptr) return;
  v1::AttachResponse message;
  message.mutable_goodbye()->set_reason(std::string(reason));
  message.mutable_goodbye()->set_reconnect(reconnect);
  Send(*agent.session, std::move(message));
  agent.session->outbox->Close(absl::OkStatus());
  agent.session = nullptr;
  SaveAgent(agent);
}

void Turn::Save(const ActiveBuild& build, Committer::Urgency urgency) {
  farm_.committer.Add(
      [&](Batch& batch) {
        batch.builds[build.build().id()] = {build.build(), build.cancel_reason};
      },
      build.build().ByteSizeLong(), urgency);
}

void Turn::Announce(const ActiveBuild& build, Committer::Urgency urgency) {
  Save(build, urgency);
  build.feed->Update(build.build());
  WakeWatchers(build);
}

void Turn::SaveAgent(const KnownAgent& agent) {
  farm_.committer.Add([&](Batch& batch) { batch.agents[agent.record.agent.name()] = agent.record; }, 0,
                      Committer::Urgency::kSoon);
}

AgentView Turn::ViewOf(const KnownAgent& agent) const {
  AssertHeld();
  AgentView view;
  view.name = agent.record.agent.name();
  view.capabilities = agent.record.agent.capabilities();
  view.connected = agent.session != nullptr;
  view.drained = agent.record.drained_at != 0 || agent.drained_by_itself;
  view.drain_reason =
      agent.record.drained_at != 0 ? agent.record.agent.drain_reason() : agent.own_drain_reason;
  view.drained_at = absl::FromUnixSeconds(agent.record.drained_at);
  // A build that has ended holds its slot until its files are gone: only the agent knows.
  view.free_slots = view.capabilities.slots() - farm_.leases.CountOfAgent(view.name);
  if (agent.free_slots >= 0)
    view.free_slots = std::min(view.free_slots, agent.free_slots - agent.promised_slots);
  view.free_slots = std::max(view.free_slots, 0);
  view.free_memory_bytes = Less(agent.free_memory_bytes, agent.promised_memory_bytes);
  view.free_disk_bytes = Less(agent.free_disk_bytes, agent.promised_disk_bytes);
  view.refusal = agent.refusal.reason();
  view.refused_for = agent.refusal.Left(now_);
  return view;
}

AgentView Turn::ViewOf(const KnownAgent& agent, const ActiveBuild& build) const {
  AgentView view = ViewOf(agent);
  const auto refusal = build.refusals.find(view.name);
  if (refusal == build.refusals.end()) return view;
  if (const absl::Duration left = refusal->second.Left(now_); left > view.refused_for) {
    view.refusal = refusal->second.reason();
    view.refused_for = left;
  }
  return view;
}

std::vector<AgentView> Turn::AgentViews(const ActiveBuild& build) const {
  AssertHeld();
  std::vector<AgentView> views;
  for (const auto& [name, agent] : farm_.agents) views.push_back(ViewOf(agent, build));
  return views;
}

v1::InfrastructureError MakeError(v1::InfrastructureErrorCode code, std::string message, bool transient) {
  v1::InfrastructureError error;
  error.set_code(code);
  error.set_message(std::move(message));
  error.set_transient(transient);
  return error;
}

}  // namespace rootwright::master
