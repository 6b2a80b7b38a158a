#include "agent/link/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/build/limits.h"
#include "agent/build/planned_build.h"
#include "base/log.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

// A batch may come to 1 MiB as a whole; the rest is for what surrounds the events.
constexpr size_t kBatchBytes = (1 << 20) - 16 * 1024;
// Sent and not acknowledged, for each build: more would only fill the master's memory. A build that talks
// faster than the master stores sends fewer, larger batches.
constexpr size_t kWindowBytes = 8 << 20;
constexpr size_t kWindowBatches = 64;
// How often leases are looked at while there is nothing else to do.
constexpr absl::Duration kLeaseLook = absl::Seconds(1);

}  // namespace

Session::Session(AgentIdentity identity, Journals& journals, LeaseHolder& builds, Drain& drain,
                 ShellServer& shells, const Clock& clock)
    : identity_(std::move(identity)),
      journals_(journals),
      builds_(builds),
      drain_(drain),
      shells_(shells),
      clock_(clock) {
  heard_at_ = next_heartbeat_ = clock_.Now();
}

v1::AttachRequest Session::Open() {
  Close();
  v1::AttachRequest message;
  v1::Register* hello = message.mutable_register_();
  hello->set_agent(identity_.name);
  hello->set_incarnation(identity_.incarnation);
  hello->set_version(identity_.version);
  *hello->mutable_capabilities() = identity_.capabilities();
  for (const auto& journal : journals_.All()) {
    v1::HeldBuild* held = hello->add_held_builds();
    held->set_build_id(journal->lease().build_id());
    held->set_lease_id(journal->lease().lease_id());
    held->set_attempt(journal->lease().attempt());
    held->set_last_sequence(journal->last_sequence());
    held->set_running(builds_.IsRunning(journal->lease().lease_id()));
    deliveries_[journal->lease().lease_id()].journal = journal;
  }
  return message;
}

void Session::Close() {
  welcomed_ = false;
  goodbye_.reset();
  told_draining_ = false;
  answers_.clear();
  deliveries_.clear();
}

void Session::Receive(const v1::AttachResponse& message) {
  heard_at_ = clock_.Now();
  if (message.has_welcome()) return Welcomed(message.welcome());
  if (message.has_goodbye()) {
    goodbye_ = message.goodbye();
    return;
  }
  if (!welcomed_) return;
  switch (message.kind_case()) {
    case v1::AttachResponse::kLease:
      return Leased(message.lease());
    case v1::AttachResponse::kLeaseRenewal:
      if (const auto lease = lease_ends_.find(message.lease_renewal().lease_id());
          lease != lease_ends_.end()) {
        lease->second = Deadline::In(FromProto(message.lease_renewal().expires_in()), heard_at_);
      }
      return;
    case v1::AttachResponse::kEventAck:
      return Acknowledged(message.event_ack());
    case v1::AttachResponse::kCancel:
      // One that is not in force any more is forgotten when it runs out: its events may still be on their
      // way.
      return builds_.End(message.cancel().lease_id(), Cancelled(message.cancel().reason()));
    case v1::AttachResponse::kDrain:
      if (message.drain().resume()) return drain_.Undo(Drain::By::kMaster);
      return drain_.Start(Drain::By::kMaster, message.drain().reason());
    case v1::AttachResponse::kOpenShell:
      return shells_.Serve(message.open_shell());
    case v1::AttachResponse::kReleaseKept:
      return builds_.ReleaseKept(message.release_kept().build_id());
    default:
      // A newer master's message: not for us.
      return;
  }
}

void Session::Welcomed(const v1::Welcome& welcome) {
  welcomed_ = true;
  const absl::Duration interval = FromProto(welcome.heartbeat_interval());
  if (interval > absl::ZeroDuration()) heartbeat_interval_ = interval;
  // At once: it renews the leases, and tells the room that there is.
  next_heartbeat_ = heard_at_;
  // A master that drains this agent says so again.
  drain_.Undo(Drain::By::kMaster);
  std::map<std::string, Delivery, std::less<>> continued;
  std::vector<std::string> discarded;
  for (const v1::HeldBuildVerdict& verdict : welcome.held_builds()) {
    for (auto& [lease_id, delivery] : deliveries_) {
      if (delivery.journal == nullptr || delivery.journal->lease().build_id() != verdict.build_id()) continue;
      if (verdict.action() == v1::HeldBuildVerdict::ACTION_DISCARD) discarded.push_back(lease_id);
      if (verdict.action() != v1::HeldBuildVerdict::ACTION_CONTINUE) continue;
      delivery.journal->Acknowledge(verdict.acknowledged_sequence());
      delivery.sent = delivery.journal->acknowledged();
      lease_ends_.insert_or_assign(lease_id, Deadline::Never());
      if (delivery.journal->delivered()) {
        discarded.push_back(lease_id);
      } else {
        continued[lease_id] = std::move(delivery);
        delivery = Delivery();
      }
      break;
    }
  }
  deliveries_ = std::move(continued);
  for (const std::string& lease_id : discarded) {
    lease_ends_.erase(lease_id);
    builds_.Discard(lease_id);
  }
}

void Session::Leased(const v1::Lease& lease) {
  v1::AttachRequest answer;
  v1::LeaseReply* reply = answer.mutable_lease_reply();
  reply->set_lease_id(lease.lease_id());
  const absl::Status taken = builds_.Take(lease);
  const auto journal = taken.ok() ? journals_.FindLease(lease.lease_id()) : nullptr;
  reply->set_accepted(journal != nullptr);
  if (journal != nullptr) {
    lease_ends_.insert_or_assign(lease.lease_id(), Deadline::In(FromProto(lease.expires_in()), heard_at_));
    // A lease that comes a second time is already on its way.
    deliveries_.try_emplace(lease.lease_id()).first->second.journal = journal;
  } else {
    reply->set_reason(taken.ok() ? "it has ended already" : std::string(taken.message()));
    reply->set_refusal(absl::IsUnavailable(taken) ? v1::LeaseReply::REFUSAL_HOST
                                                  : v1::LeaseReply::REFUSAL_BUILD);
    spdlog::warn("build {}: not taken: {}", lease.build_id(), reply->reason());
  }
  answers_.push_back(std::move(answer));
}

void Session::Acknowledged(const v1::EventAck& ack) {
  for (auto at = deliveries_.begin(); at != deliveries_.end(); ++at) {
    Delivery& delivery = at->second;
    if (delivery.journal->lease().build_id() != ack.build_id()) continue;
    const bool again = ack.sequence() < delivery.journal->acknowledged();
    delivery.journal->Acknowledge(ack.sequence());
    if (again) {
      spdlog::warn("build {}: the master asks for the events after {} again", ack.build_id(), ack.sequence());
      delivery.sent = delivery.journal->acknowledged();
      delivery.unacknowledged.clear();
      delivery.unacknowledged_bytes = 0;
    }
    while (!delivery.unacknowledged.empty() &&
           delivery.unacknowledged.front().last_sequence <= ack.sequence()) {
      delivery.unacknowledged_bytes -= delivery.unacknowledged.front().bytes;
      delivery.unacknowledged.pop_front();
    }
    if (delivery.journal->delivered()) {
      const auto journal = delivery.journal;
      lease_ends_.erase(at->first);
      deliveries_.erase(at);
      journals_.Remove(*journal);
    }
    return;
  }
}

void Session::LookAtLeases(Instant now) {
  std::vector<std::string> forgotten;
  for (const auto& journal : journals_.All()) {
    const std::string& id = journal->lease().lease_id();
    const auto end = lease_ends_.find(id);
    if (welcomed_) {
      // The master is there and did not renew it: the build is another's now.
      if (end != lease_ends_.end() && end->second.Passed(now)) forgotten.push_back(id);
      continue;
    }
    const WithoutMaster policy = PolicyOf(journal->lease().request());
    if (policy.afterwards == WithoutMaster::Afterwards::kKeep || Since(heard_at_, now) < policy.go_on_for)
      continue;
    if (policy.afterwards == WithoutMaster::Afterwards::kStopAndDiscard) {
      forgotten.push_back(id);
    } else {
      builds_.End(
          id, Infrastructure(v1::INFRASTRUCTURE_ERROR_CODE_LOST, true,
                             absl::StrCat("build: the master was away for ", LengthText(policy.go_on_for))));
    }
  }
  for (const std::string& id : forgotten) {
    spdlog::warn("lease {}: run out; its build is ended and forgotten", id);
    lease_ends_.erase(id);
    deliveries_.erase(id);
    builds_.Discard(id);
  }
}

void Session::AddHeartbeat(Instant now, const LeaseHolder::Room& room, std::vector<LeaseHolder::Kept> kept) {
  told_room_ = room;
  told_kept_ = std::move(kept);
  next_heartbeat_ = now + absl::ToChronoNanoseconds(heartbeat_interval_);
  v1::AttachRequest message;
  v1::Heartbeat* heartbeat = message.mutable_heartbeat();
  heartbeat->set_free_slots(room.free_slots);
  heartbeat->set_free_memory_bytes(room.free_memory_bytes);
  if (room.free_disk_bytes >= 0) heartbeat->set_free_disk_bytes(room.free_disk_bytes);
  for (const auto& [lease_id, delivery] : deliveries_) heartbeat->add_lease_ids(lease_id);
  for (const LeaseHolder::Kept& kept_one : told_kept_) {
    v1::KeptEnvironment* told = heartbeat->add_kept();
    told->set_build_id(kept_one.build_id);
    *told->mutable_until() = ToProto(kept_one.until);
  }
  answers_.push_back(std::move(message));
}

std::vector<v1::AttachRequest> Session::Poll() {
  const Instant now = clock_.Now();
  LookAtLeases(now);
  if (!welcomed_ || goodbye_) return {};
  if (const auto reason = drain_.own_reason(); reason.has_value() != told_draining_) {
    told_draining_ = reason.has_value();
    v1::AttachRequest message;
    message.mutable_draining()->set_reason(reason.value_or(""));
    message.mutable_draining()->set_resumed(!told_draining_);
    answers_.push_back(std::move(message));
  }
  // What was taken or given back is told at once: the master gives no build that does not fit, and a build
  // that fits again does not wait for the next heartbeat. Disks change all the time.
  const LeaseHolder::Room room = builds_.room();
  std::vector<LeaseHolder::Kept> kept = builds_.kept();
  if (now >= next_heartbeat_ || room.free_slots != told_room_.free_slots ||
      room.free_memory_bytes != told_room_.free_memory_bytes || kept != told_kept_) {
    AddHeartbeat(now, room, std::move(kept));
  }
  std::vector<v1::AttachRequest> messages = std::exchange(answers_, {});
  for (auto& [lease_id, delivery] : deliveries_) {
    if (auto batch = NextBatch(delivery)) messages.push_back(*std::move(batch));
  }
  return messages;
}

std::optional<v1::AttachRequest> Session::NextBatch(Delivery& delivery) {
  if (delivery.sent >= delivery.journal->last_sequence()) return std::nullopt;
  if (delivery.unacknowledged_bytes >= kWindowBytes || delivery.unacknowledged.size() >= kWindowBatches) {
    return std::nullopt;
  }
  v1::AttachRequest message;
  v1::EventBatch* batch = message.mutable_event_batch();
  batch->set_build_id(delivery.journal->lease().build_id());
  batch->set_lease_id(delivery.journal->lease().lease_id());
  const absl::Status read =
      delivery.journal->Read(delivery.sent, kBatchBytes, delivery.cursor, batch->mutable_events());
  if (!read.ok()) spdlog::error("build {}: {}", batch->build_id(), std::string(read.message()));
  if (batch->events().empty()) {
    // Nothing sound is left to send: the build ends, and its lease runs out at the master.
    if (!read.ok()) builds_.Discard(batch->lease_id());
    return std::nullopt;
  }
  delivery.sent = batch->events().rbegin()->sequence();
  const size_t bytes = message.ByteSizeLong();
  delivery.unacknowledged.push_back({delivery.sent, bytes});
  delivery.unacknowledged_bytes += bytes;
  return message;
}

Deadline Session::next_look() const {
  const Instant now = clock_.Now();
  const Deadline leases = Deadline::In(kLeaseLook, now);
  return welcomed_ ? Earlier(leases, Deadline::At(next_heartbeat_)) : leases;
}

}  // namespace rootwright
