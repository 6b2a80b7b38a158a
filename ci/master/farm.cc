#include "ci/master/farm.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "ci/master/turn.h"

namespace rootwright::master {
namespace {

constexpr int kEventsAtOnce = 256;

// Brings a tracker to where its attempt was, from stored events and log bytes. The BuildFinished, if
// the attempt had come that far.
absl::StatusOr<std::optional<v1::BuildFinished>> Replay(const Store& store, const LogStore& logs,
                                                        BuildTracker& tracker) {
  v1::Build& build = tracker.mutable_build();
  const auto artifacts = build.artifacts();
  const auto started_at = build.started_at();
  const int attempt = build.attempt();
  tracker.StartAttempt(attempt);
  *build.mutable_artifacts() = artifacts;
  *build.mutable_started_at() = started_at;
  build.set_state(v1::BUILD_STATE_LEASED);
  while (true) {
    const EventPosition after = tracker.position();
    RW_ASSIGN_OR_RETURN(auto events,
                        store.ReadEvents(build.id(), after, Store::Chunks::kKeep, kEventsAtOnce));
    if (events.empty()) return std::nullopt;
    for (auto& [event, log_size] : events) {
      if (log_size > 0) {
        v1::LogChunk& chunk = *event.mutable_log_chunk();
        RW_ASSIGN_OR_RETURN(*chunk.mutable_data(),
                            logs.Read({build.id(), attempt, chunk.step()}, chunk.offset(), log_size));
      }
      RW_ASSIGN_OR_RETURN(const BuildTracker::Effect effect, tracker.Apply(event));
      if (effect == BuildTracker::Effect::kFinished) return event.build_finished();
      if (effect == BuildTracker::Effect::kRewound || effect == BuildTracker::Effect::kGap) {
        return absl::DataLossError(
            absl::StrCat("stored log of build ", build.id(), ": is not what was received"));
      }
    }
  }
}

}  // namespace

absl::Status Farm::Load() {
  RW_ASSIGN_OR_RETURN(auto unfinished, store.UnfinishedBuilds());
  RW_ASSIGN_OR_RETURN(auto held, store.Leases());
  RW_ASSIGN_OR_RETURN(auto known, store.Agents());
  Turn turn(*this);
  for (AgentRecord& record : known) {
    const std::string name = record.agent.name();
    turn.agents()[name].record = std::move(record);
  }
  std::map<std::string, LeaseRecord> lease_of;
  for (LeaseRecord& lease : held) lease_of[lease.build_id] = std::move(lease);
  for (BuildRecord& record : unfinished) {
    ActiveBuild& build = turn.Add(std::move(record));
    const auto lease = lease_of.find(build.build().id());
    const bool leased = lease != lease_of.end() && lease->second.attempt == build.build().attempt();
    if (!leased) {
      turn.Delay(build);
      if (build.build().state() != v1::BUILD_STATE_QUEUED) turn.TakeBack(build);
      if (build.cancel_reason)
        turn.Finish(build, {v1::OUTCOME_CANCELLED, *build.cancel_reason, std::nullopt});
      else
        turn.Enqueue(build);
      continue;
    }
    build.tracker.mutable_build().set_agent(lease->second.agent);
    build.lease_id = lease->second.id;
    turn.leases().Restore(lease->second, turn.now());
    auto finished = Replay(store, logs, build.tracker);
    build.feed = std::make_shared<BuildFeed>(build.build(), build.tracker.position());
    if (!finished.ok()) {
      turn.EndAttempt(build, MakeError(v1::INFRASTRUCTURE_ERROR_CODE_HOST,
                                       std::string(finished.status().message()), true));
    } else if (finished->has_value()) {
      turn.Complete(build, **finished);
    }
  }
  spdlog::info("{} unfinished builds, {} leases, {} agents known", unfinished.size(), held.size(),
               known.size());
  return absl::OkStatus();
}

void Farm::Close() {
  committer.EndWaiting();
  Turn turn(*this);
  turn.SetClosed();
  for (auto& [name, agent] : turn.agents()) turn.CloseSession(agent, "the master is going down", true);
  for (auto& [id, build] : turn.builds()) {
    build.feed->Close();
    turn.WakeWatchers(build);
  }
}

}  // namespace rootwright::master
