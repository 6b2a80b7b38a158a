#include "ci/master/submissions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "ci/master/request_check.h"
#include "ci/master/turn.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/proto_time.h"

namespace rootwright::master {
namespace {

constexpr absl::Duration kDurableWithin = absl::Seconds(20);
// Many times what is on its way to the disk at one moment.
constexpr size_t kRecentKeys = 4096;
constexpr int kPageSize = 50;
constexpr int kMaxPageSize = 500;

// What people read on the build, so it must say something also when they gave no reason.
std::string CancelReason(const std::string& given) {
  return given.empty() ? "cancelled by request" : absl::StrCat("cancelled by request: ", given);
}

}  // namespace

absl::StatusOr<v1::SubmitBuildResponse> Submissions::Submit(const v1::SubmitBuildRequest& request) {
  RW_RETURN_IF_ERROR(CheckRequest(request));
  RW_ASSIGN_OR_RETURN(const std::string id, NewId());
  const std::string& key = request.idempotency_key();
  std::string known;
  if (!key.empty()) {
    RW_ASSIGN_OR_RETURN(known, BuildOfKey(key));
  }
  if (!known.empty()) return Repeat(known, request);
  BuildRecord record;
  record.build.set_id(id);
  *record.build.mutable_request() = request.request();
  record.build.set_state(v1::BUILD_STATE_QUEUED);
  record.build.set_attempt(1);
  *record.build.mutable_submitted_at() = ToProto(farm_.clock.Wall());
  {
    Turn turn(farm_);
    if (turn.closed()) return absl::UnavailableError("submit: the master is going down; try again");
    // In the turn that adds the build: whoever finds the key finds the build.
    if (!key.empty()) known = TakeKey(key, id);
    if (known.empty()) AddBuild(turn, std::move(record), key);
  }
  if (!known.empty()) return Repeat(known, request);
  RW_RETURN_IF_ERROR(farm_.committer.Flush(Deadline::In(kDurableWithin)));
  spdlog::info("build {} submitted: {}", id, request.request().display_name());
  v1::SubmitBuildResponse response;
  RW_ASSIGN_OR_RETURN(*response.mutable_build(), Get(id));
  return response;
}

std::string Submissions::TakeKey(const std::string& key, const std::string& id) {
  MutexLock lock(keys_mutex_);
  const auto [entry, added] = recent_keys_.emplace(key, id);
  if (!added) return entry->second;
  key_order_.push_back(key);
  if (key_order_.size() > kRecentKeys) {
    recent_keys_.erase(key_order_.front());
    key_order_.pop_front();
  }
  return "";
}

void Submissions::AddBuild(Turn& turn, BuildRecord record, const std::string& key) {
  const std::string id = record.build.id();
  turn.Save(turn.Add(std::move(record)), Committer::Urgency::kNow);
  farm_.committer.Add(
      [&](Batch& batch) {
        if (!key.empty()) batch.idempotency_keys[key] = id;
      },
      0, Committer::Urgency::kNow,
      // No agent may work on what a power cut would undo.
      [&farm = farm_, id] {
        Turn later(farm);
        ActiveBuild* build = later.Find(id);
        if (build == nullptr || build->build().state() != v1::BUILD_STATE_QUEUED) return;
        later.Enqueue(*build);
        later.Dispatch();
      });
}

absl::StatusOr<v1::SubmitBuildResponse> Submissions::Repeat(const std::string& build_id,
                                                            const v1::SubmitBuildRequest& request) {
  RW_RETURN_IF_ERROR(farm_.committer.Flush(Deadline::In(kDurableWithin)));
  v1::SubmitBuildResponse response;
  RW_ASSIGN_OR_RETURN(*response.mutable_build(), Get(build_id));
  response.set_already_submitted(true);
  if (google::protobuf::util::MessageDifferencer::Equals(response.build().request(), request.request()))
    return response;
  return absl::AlreadyExistsError(absl::StrCat("submit: idempotency key '", request.idempotency_key(),
                                               "': build ", build_id,
                                               " was made with it from another request"));
}

absl::StatusOr<std::string> Submissions::BuildOfKey(const std::string& key) const {
  {
    MutexLock lock(keys_mutex_);
    const auto found = recent_keys_.find(key);
    if (found != recent_keys_.end()) return found->second;
  }
  return farm_.store.BuildOfKey(key);
}

absl::StatusOr<std::string> Submissions::NewId() const {
  while (true) {
    std::string id = RandomHex(8);
    const auto known = farm_.store.ReadBuild(id);
    if (!absl::IsNotFound(known.status()) && !known.ok()) return known.status();
    if (!known.ok() && FeedOf(id) == nullptr) return id;
  }
}

absl::StatusOr<v1::CancelBuildResponse> Submissions::Cancel(const v1::CancelBuildRequest& request) {
  if (!IsPrintable(request.reason(), 512)) {
    return absl::InvalidArgumentError("cancel: reason: must be at most 512 printable bytes");
  }
  RW_ASSIGN_OR_RETURN(const std::string id, FullId(request.build_id()));
  v1::CancelBuildResponse response;
  {
    Turn turn(farm_);
    ActiveBuild* build = turn.Find(id);
    if (build == nullptr || build->build().state() == v1::BUILD_STATE_FINISHED) {
      response.set_already_finished(true);
      turn.ReleaseKept(id);
    } else {
      if (!build->cancel_reason) build->cancel_reason = CancelReason(request.reason());
      if (build->lease_id.empty()) {
        turn.Finish(*build, {v1::OUTCOME_CANCELLED, *build->cancel_reason, std::nullopt});
      } else {
        turn.Save(*build, Committer::Urgency::kNow);
        const auto agent = turn.agents().find(build->build().agent());
        if (agent != turn.agents().end() && agent->second.session != nullptr) {
          v1::AttachResponse message;
          message.mutable_cancel()->set_build_id(id);
          message.mutable_cancel()->set_lease_id(build->lease_id);
          message.mutable_cancel()->set_reason(*build->cancel_reason);
          turn.Send(*agent->second.session, std::move(message));
        }
      }
    }
  }
  RW_RETURN_IF_ERROR(farm_.committer.Flush(Deadline::In(kDurableWithin)));
  RW_ASSIGN_OR_RETURN(*response.mutable_build(), Get(id));
  return response;
}

absl::StatusOr<v1::Build> Submissions::Release(absl::string_view id) {
  RW_ASSIGN_OR_RETURN(const std::string full, FullId(id));
  {
    Turn turn(farm_);
    if (!turn.ReleaseKept(full)) {
      return absl::NotFoundError(
          absl::StrCat("release: build ", full, ": no connected agent keeps its environment"));
    }
  }
  return Get(full);
}

absl::StatusOr<std::string> Submissions::FullId(absl::string_view id) const {
  if (id.empty()) return absl::InvalidArgumentError("build id: it is empty");
  for (const char c : id) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) continue;
    return absl::NotFoundError(
        absl::StrCat("no build has the id '", id, "': ids are lower-case hexadecimal digits"));
  }
  return farm_.store.ResolveId(id);
}

absl::StatusOr<v1::Build> Submissions::Get(absl::string_view id) const {
  RW_ASSIGN_OR_RETURN(const std::string full, FullId(id));
  {
    Turn turn(farm_);
    if (const ActiveBuild* build = turn.Find(full)) return build->build();
  }
  RW_ASSIGN_OR_RETURN(BuildRecord record, farm_.store.ReadBuild(full));
  return std::move(record.build);
}

absl::StatusOr<v1::ListBuildsResponse> Submissions::List(const v1::ListBuildsRequest& request) const {
  int64_t before = 0;
  if (!request.page_token().empty() && (!absl::SimpleAtoi(request.page_token(), &before) || before <= 0)) {
    return absl::InvalidArgumentError("list builds: page_token: is not from an earlier answer");
  }
  const int size = request.page_size() <= 0 ? kPageSize : std::min(request.page_size(), kMaxPageSize);
  const std::vector<int> wanted(request.states().begin(), request.states().end());
  std::vector<v1::BuildState> states;
  for (const int state : wanted) {
    // proto3 lets any number through.
    if (!v1::BuildState_IsValid(state))
      return absl::InvalidArgumentError(absl::StrCat("list builds: states: ", state, ": no such state"));
    states.push_back(static_cast<v1::BuildState>(state));
  }
  RW_ASSIGN_OR_RETURN(auto rows, farm_.store.ListBuilds(states, before, size + 1));
  v1::ListBuildsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(size);
    response.set_next_page_token(absl::StrCat(rows.back().first));
  }
  Turn turn(farm_);
  for (auto& [row, build] : rows) {
    v1::Build* shown = response.add_builds();
    const ActiveBuild* active = turn.Find(build.id());
    if (active != nullptr) build = active->build();
    *shown = std::move(build);
    shown->clear_steps();
    shown->clear_artifacts();
  }
  return response;
}

std::shared_ptr<BuildFeed> Submissions::FeedOf(const std::string& full_id) const {
  Turn turn(farm_);
  const ActiveBuild* build = turn.Find(full_id);
  return build == nullptr ? nullptr : build->feed;
}

absl::StatusOr<std::unique_ptr<BuildWatcher>> Submissions::Watch(const v1::WatchBuildRequest& request,
                                                                 std::weak_ptr<Waker> reader) const {
  if (request.from_sequence() < 0 || request.attempt() < 0) {
    return absl::InvalidArgumentError("watch: from_sequence and attempt: must not be negative");
  }
  RW_ASSIGN_OR_RETURN(const std::string id, FullId(request.build_id()));
  std::shared_ptr<BuildFeed> feed;
  int attempt = 0;
  {
    Turn turn(farm_);
    if (const ActiveBuild* build = turn.Find(id)) {
      feed = build->feed;
      attempt = build->build().attempt();
    }
  }
  if (feed == nullptr) {
    RW_ASSIGN_OR_RETURN(BuildRecord record, farm_.store.ReadBuild(id));
    attempt = record.build.attempt();
    feed = std::make_shared<BuildFeed>(record.build, EventPosition{attempt, record.build.last_sequence()});
  }
  if (request.attempt() > 0) attempt = request.attempt();
  feed->Subscribe(std::move(reader));
  const EventPosition after{attempt, std::max<int64_t>(request.from_sequence(), 1) - 1};
  return std::make_unique<BuildWatcher>(
      std::move(feed), farm_.store, farm_.logs, after,
      request.omit_log_chunks() ? Store::Chunks::kOmit : Store::Chunks::kKeep);
}

absl::StatusOr<Submissions::StepLog> Submissions::FindLog(const std::string& full_id,
                                                          absl::string_view step) const {
  const auto find = [&](const v1::Build& build) -> absl::StatusOr<StepLog> {
    for (const v1::StepSummary& summary : build.steps()) {
      if (summary.name() != step) continue;
      return StepLog{build.attempt(), summary.log_bytes(), summary.state() == v1::STEP_STATE_RUNNING};
    }
    return absl::NotFoundError(absl::StrCat("read log: build ", full_id, ": it ",
                                            build.state() == v1::BUILD_STATE_FINISHED ? "had" : "has started",
                                            " no step '", step, "'"));
  };
  {
    Turn turn(farm_);
    if (const ActiveBuild* build = turn.Find(full_id)) return find(build->build());
  }
  RW_ASSIGN_OR_RETURN(const BuildRecord record, farm_.store.ReadBuild(full_id));
  return find(record.build);
}

}  // namespace rootwright::master
