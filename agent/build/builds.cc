#include "agent/build/builds.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/status.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

constexpr size_t kReadAtOnce = 1 << 20;
// How often it is looked whether a kept environment is to go.
constexpr std::chrono::milliseconds kKeptTick{200};
// How many of those from one look at the environment itself to the next.
constexpr int kTicksOfCare = 10;

// Size and digest of every step's log as the journal has it, also of the step that was cut off.
absl::Status AddLogs(const BuildJournal& journal, v1::BuildFinished* finished) {
  std::map<std::string, std::pair<int64_t, Sha256>> logs;
  EventCursor cursor;
  for (int64_t read = 0; read < journal.last_sequence();) {
    google::protobuf::RepeatedPtrField<v1::BuildEvent> events;
    RW_RETURN_IF_ERROR(journal.Read(read, kReadAtOnce, cursor, &events));
    for (const v1::BuildEvent& event : events) {
      if (event.has_step_started()) logs[event.step_started().step()];
      if (event.has_log_chunk()) {
        auto& [size, digest] = logs[event.log_chunk().step()];
        size += static_cast<int64_t>(event.log_chunk().data().size());
        digest.Update(event.log_chunk().data());
      }
      read = event.sequence();
    }
  }
  for (const auto& [step, log] : logs) {
    v1::LogDigest& digest = (*finished->mutable_logs())[step];
    digest.set_size_bytes(log.first);
    digest.set_sha256(log.second.Digest());
  }
  return absl::OkStatus();
}

}  // namespace

Builds::Builds(Journals& journals, Slots& slots, const Drain& drain, StatePaths paths, BuildPolicy policy,
               Build::Host host, Doorbell& doorbell, HostHealth health)
    : journals_(journals),
      slots_(slots),
      drain_(drain),
      paths_(std::move(paths)),
      host_(host),
      doorbell_(doorbell),
      health_(std::move(health)),
      policy_(std::move(policy)) {}

Builds::~Builds() {
  EndAll(Infrastructure(v1::INFRASTRUCTURE_ERROR_CODE_AGENT, true, "build: the agent ends"));
  std::map<std::string, std::shared_ptr<Running>, std::less<>> all;
  {
    MutexLock lock(mutex_);
    for (auto& [id, running] : running_) running->released = true;
    all.swap(running_);
  }
  released_.notify_all();
  // Threads look their own entry up through a reference: joined here, before the map goes.
  for (auto& [id, running] : all) running->thread.join();
}

absl::Status Builds::Take(const v1::Lease& lease) {
  Sweep();
  if (IsHere(lease.lease_id()) || journals_.FindLease(lease.lease_id()) != nullptr) return absl::OkStatus();
  if (const auto reason = drain_.reason()) {
    return absl::UnavailableError(absl::StrCat("draining: ", *reason));
  }
  if (HasAttemptOf(lease.build_id())) {
    // Its machine has the name that the new one would get.
    return absl::AbortedError(
        absl::StrCat("build ", lease.build_id(), ": an earlier attempt is still ending here"));
  }
  absl::StatusOr<PlannedBuild> plan =
      PlanBuild(lease, Policy(), paths_.work(lease.build_id(), lease.attempt()));
  // What this host cannot do another one may; what is wrong with the request is for the submitter to hear.
  if (absl::IsFailedPrecondition(plan.status())) return plan.status();
  if (plan.ok()) {
    // It would fail at once, and with it an attempt.
    const absl::Status health = health_(plan->isolation);
    if (!health.ok()) return absl::UnavailableError(health.message());
  }
  RW_ASSIGN_OR_RETURN(
      Slots::Slot slot,
      slots_.Take(plan.ok() ? plan->limits : BuildLimits{.memory_bytes = 0, .disk_bytes = 0}));
  RW_ASSIGN_OR_RETURN(std::shared_ptr<BuildJournal> journal, journals_.Create(lease));

  MutexLock lock(mutex_);
  auto running = std::make_shared<Running>(std::move(journal), std::move(plan), host_, std::move(slot));
  Running& started = *running;
  running_.emplace(lease.lease_id(), std::move(running));
  started.thread = std::jthread([this, &started] { Run(started); });
  spdlog::info("build {} attempt {}: taken", lease.build_id(), lease.attempt());
  return absl::OkStatus();
}

void Builds::Run(Running& running) {
  if (const absl::Status status = running.build.Run(); !status.ok()) {
    spdlog::error("build {}: {}", running.journal->lease().build_id(), std::string(status.message()));
  }
  // The master hears of the end while the files go; the slot is free when their room is.
  doorbell_.Ring();
  if (running.build.kept()) {
    WaitWhileKept(running);
    running.build.EndKept();
    doorbell_.Ring();
  }
  running.build.RemoveFiles();
  bool discard;
  {
    MutexLock lock(mutex_);
    running.slot.reset();
    running.ended = true;
    discard = running.discard;
  }
  // One whose end could not even be written is the master's to find out: its lease is not renewed any more.
  if (discard || !running.journal->finished()) journals_.Remove(*running.journal);
  doorbell_.Ring();
}

void Builds::WaitWhileKept(Running& running) {
  const std::string& id = running.journal->lease().build_id();
  const Deadline end = running.build.kept()->deadline;
  spdlog::info("build {}: its environment is kept", id);
  const char* why = "its time is over";
  for (int tick = 1; !end.Passed(host_.clock.Now()); ++tick) {
    if (drain_.reason()) {
      why = "the agent drains";
      break;
    }
    if (tick % kTicksOfCare == 0 && !running.build.KeptIsWell()) {
      why = "it ended, or filled more disk than it may";
      break;
    }
    MutexLock lock(mutex_);
    released_.wait_for(mutex_, kKeptTick, [&] { return running.released; });
    if (!running.released) continue;
    why = "it was released";
    break;
  }
  spdlog::info("build {}: its environment goes: {}", id, why);
}

std::vector<LeaseHolder::Kept> Builds::kept() const {
  std::vector<Kept> all;
  MutexLock lock(mutex_);
  for (const auto& [id, running] : running_) {
    if (const auto keep = running->build.kept())
      all.push_back({running->journal->lease().build_id(), keep->until});
  }
  return all;
}

void Builds::ReleaseKept(absl::string_view build_id) {
  {
    MutexLock lock(mutex_);
    for (auto& [id, running] : running_) {
      if (running->journal->lease().build_id() == build_id && running->build.kept()) running->released = true;
    }
  }
  released_.notify_all();
}

absl::StatusOr<std::unique_ptr<Shell>> Builds::OpenShell(absl::string_view build_id,
                                                         const ShellCommand& command, std::stop_token stop) {
  std::shared_ptr<Running> found;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, running] : running_) {
      if (!running->ended && running->journal->lease().build_id() == build_id) found = running;
    }
  }
  if (found == nullptr)
    return absl::NotFoundError(absl::StrCat("shell: build ", build_id, " is not on its agent any more"));
  return found->build.OpenShell(command, std::move(stop));
}

void Builds::Sweep() {
  // Joined when this goes, outside the lock.
  std::vector<std::shared_ptr<Running>> ended;
  {
    MutexLock lock(mutex_);
    for (auto at = running_.begin(); at != running_.end();) {
      if (!at->second->ended) {
        ++at;
        continue;
      }
      ended.push_back(std::move(at->second));
      at = running_.erase(at);
    }
  }
}

std::shared_ptr<Builds::Running> Builds::FindRunning(absl::string_view lease_id) const {
  MutexLock lock(mutex_);
  const auto found = running_.find(std::string(lease_id));
  return found == running_.end() || !found->second->goes_on() ? nullptr : found->second;
}

void Builds::End(absl::string_view lease_id, Ending ending) {
  if (const auto running = FindRunning(lease_id)) running->build.End(std::move(ending));
}

void Builds::Discard(absl::string_view lease_id) {
  std::shared_ptr<Running> running;
  {
    MutexLock lock(mutex_);
    const auto found = running_.find(std::string(lease_id));
    if (found != running_.end() && !found->second->ended) {
      running = found->second;
      running->discard = true;
      running->released = true;
    }
  }
  released_.notify_all();
  if (running != nullptr) {
    running->build.End(Cancelled("the master discards it"));
  } else if (const auto journal = journals_.FindLease(lease_id)) {
    journals_.Remove(*journal);
  }
}

bool Builds::IsHere(absl::string_view lease_id) const {
  MutexLock lock(mutex_);
  return running_.count(std::string(lease_id)) > 0;
}

bool Builds::HasAttemptOf(absl::string_view build_id) const {
  MutexLock lock(mutex_);
  return std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
    return !entry.second->ended && entry.second->journal->lease().build_id() == build_id;
  });
}

bool Builds::IsRunning(absl::string_view lease_id) const { return FindRunning(lease_id) != nullptr; }

LeaseHolder::Room Builds::room() const {
  const auto disk = slots_.free_disk();
  return {slots_.free(), slots_.free_memory(), disk.ok() ? *disk : -1};
}

void Builds::SetTargets(std::set<BuildTarget> targets) {
  MutexLock lock(mutex_);
  policy_.targets = std::move(targets);
}

BuildPolicy Builds::Policy() const {
  MutexLock lock(mutex_);
  return policy_;
}

void Builds::EndAll(const Ending& ending) {
  std::vector<std::shared_ptr<Running>> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, running] : running_) all.push_back(running);
  }
  for (const auto& running : all) running->build.End(ending);
}

int Builds::running() const {
  MutexLock lock(mutex_);
  return static_cast<int>(std::count_if(running_.begin(), running_.end(),
                                        [](const auto& entry) { return entry.second->goes_on(); }));
}

std::vector<v1::AgentBuild> Builds::List() const {
  std::vector<v1::AgentBuild> running, others;
  for (const auto& journal : journals_.All()) {
    v1::AgentBuild build;
    build.set_build_id(journal->lease().build_id());
    build.set_attempt(journal->lease().attempt());
    build.set_state(v1::BUILD_STATE_FINISHED);
    build.set_last_sequence(journal->last_sequence());
    build.set_acknowledged_sequence(journal->acknowledged());
    if (const auto started = journal->started_at()) *build.mutable_started_at() = ToProto(*started);
    MutexLock lock(mutex_);
    const auto found = running_.find(journal->lease().lease_id());
    if (found != running_.end() && !found->second->ended) {
      build.set_state(found->second->build.state());
      build.set_step(found->second->goes_on()      ? found->second->build.step()
                     : found->second->build.kept() ? "its environment is kept"
                                                   : "removing its files");
      running.push_back(std::move(build));
    } else {
      others.push_back(std::move(build));
    }
  }
  // Of these the master has all that there is to know, and the journal is gone.
  MutexLock lock(mutex_);
  for (const auto& [id, kept] : running_) {
    if (!kept->build.kept() || journals_.FindLease(id) != nullptr) continue;
    v1::AgentBuild build;
    build.set_build_id(kept->journal->lease().build_id());
    build.set_attempt(kept->journal->lease().attempt());
    build.set_state(v1::BUILD_STATE_FINISHED);
    build.set_step("its environment is kept");
    running.push_back(std::move(build));
  }
  running.insert(running.end(), std::make_move_iterator(others.begin()),
                 std::make_move_iterator(others.end()));
  return running;
}

absl::Status Builds::CancelBuild(absl::string_view build_id, absl::string_view reason) {
  std::shared_ptr<Running> found;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, running] : running_) {
      const std::string& candidate = running->journal->lease().build_id();
      if ((!running->goes_on() && !running->build.kept()) || build_id.empty() ||
          !absl::StartsWith(candidate, build_id))
        continue;
      if (found != nullptr) {
        return absl::NotFoundError(
            absl::StrCat("cancel: build ", build_id, ": more than one begins like that"));
      }
      found = running;
    }
  }
  if (found == nullptr)
    return absl::NotFoundError(absl::StrCat("cancel: build ", build_id, ": does not run here"));
  ReleaseKept(found->journal->lease().build_id());
  found->build.End(Cancelled(reason.empty() ? "cancelled on the build host" : std::string(reason)));
  return absl::OkStatus();
}

void Builds::FinishAbandoned(Journals& journals, const Clock& clock) {
  for (const auto& journal : journals.All()) {
    if (journal->finished()) continue;
    v1::BuildEvent event;
    *event.mutable_time() = ToProto(clock.Wall());
    const Ending ending =
        Infrastructure(v1::INFRASTRUCTURE_ERROR_CODE_AGENT, true, "build: the agent ended in mid-build");
    event.mutable_build_finished()->set_outcome(ending.outcome);
    event.mutable_build_finished()->set_reason(ending.reason);
    *event.mutable_build_finished()->mutable_infrastructure_error() = *ending.error;
    absl::Status status = AddLogs(*journal, event.mutable_build_finished());
    if (status.ok()) status = journal->Append(std::move(event));
    if (!status.ok())
      spdlog::error("build {}: {}", journal->lease().build_id(), std::string(status.message()));
  }
}

}  // namespace rootwright
