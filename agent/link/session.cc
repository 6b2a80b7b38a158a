#include "agent/link/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/build/planned_build.h"
#include "agent/build/proto_time.h"
#include "base/log.h"

namespace rootwright {
namespace {

// Of events in one message; the contract allows 1 MiB for the whole.
constexpr size_t kBatchBytes = 512 << 10;
constexpr absl::Duration kShortestHeartbeat = absl::Milliseconds(100);

}  // namespace

v1::AttachRequest Session::Connected() {
  v1::AttachRequest message;
  *message.mutable_register_() = introduction_();
  for (const std::shared_ptr<BuildJournal>& journal : journals_.All()) {
    v1::HeldBuild& held = *message.mutable_register_()->add_held_builds();
    held.set_build_id(journal->lease().build_id());
    held.set_lease_id(journal->lease().lease_id());
    held.set_attempt(journal->lease().attempt());
    held.set_last_sequence(journal->last_sequence());
    held.set_running(!journal->finished());
  }
  const MutexLock lock(mutex_);
  welcomed_ = false;
  replies_.clear();
  sending_.clear();
  return message;
}

void Session::Disconnected() {
  const MutexLock lock(mutex_);
  welcomed_ = false;
  if (!alone_since_) alone_since_ = clock_.Now();
}

absl::Status Session::Receive(const v1::AttachResponse& message) {
  if (message.has_welcome()) return Welcome(message.welcome());
  if (!linked()) return absl::InvalidArgumentError("the master broke the contract: a message before Welcome");
  switch (message.kind_case()) {
    case v1::AttachResponse::kLease:
      TakeLease(message.lease());
      break;
    case v1::AttachResponse::kEventAck:
      TakeAck(message.event_ack());
      break;
    case v1::AttachResponse::kCancel:
      holder_.Cancel(message.cancel().build_id(), message.cancel().reason());
      break;
    case v1::AttachResponse::kDrain:
      holder_.SetDraining(!message.drain().resume(), message.drain().reason());
      break;
    case v1::AttachResponse::kGoodbye: {
      const MutexLock lock(mutex_);
      if (!message.goodbye().reconnect()) dismissed_ = message.goodbye().reason();
      return absl::AbortedError(absl::StrCat("the master said goodbye: ", message.goodbye().reason()));
    }
    default:
      // A renewal needs no answer, and a message of a later version is none of ours.
      break;
  }
  doorbell_.Ring();
  return absl::OkStatus();
}

absl::Status Session::Welcome(const v1::Welcome& welcome) {
  for (const v1::HeldBuildVerdict& verdict : welcome.held_builds()) {
    const std::shared_ptr<BuildJournal> journal = journals_.Find(verdict.build_id());
    if (verdict.action() == v1::HeldBuildVerdict::ACTION_DISCARD) {
      spdlog::info("build {}: the master does not want it any more", verdict.build_id());
      holder_.Discard(verdict.build_id());
      continue;
    }
    if (journal == nullptr) continue;
    journal->Acknowledge(verdict.acknowledged_sequence());
    {
      const MutexLock lock(mutex_);
      sending_[journal->lease().lease_id()].sent = verdict.acknowledged_sequence();
    }
    RemoveDelivered(*journal);
  }
  const MutexLock lock(mutex_);
  welcomed_ = true;
  alone_since_.reset();
  heartbeat_interval_ = std::max(kShortestHeartbeat, FromProto(welcome.heartbeat_interval()));
  next_heartbeat_ = clock_.Now();
  if (own_draining_) replies_.emplace_back().mutable_draining()->set_reason(*own_draining_);
  doorbell_.Ring();
  return absl::OkStatus();
}

void Session::TakeLease(const v1::Lease& lease) {
  v1::AttachRequest message;
  v1::LeaseReply& reply = *message.mutable_lease_reply();
  reply.set_lease_id(lease.lease_id());
  bool draining = false;
  {
    const MutexLock lock(mutex_);
    draining = own_draining_.has_value();
  }
  // The same lease twice is one build.
  absl::Status started;
  if (journals_.FindLease(lease.lease_id()) == nullptr) {
    started = draining ? absl::UnavailableError("the agent is draining") : holder_.Start(lease);
  }
  reply.set_accepted(started.ok());
  reply.set_reason(std::string(started.message()));
  if (!started.ok()) spdlog::warn("build {}: lease not taken: {}", lease.build_id(), reply.reason());
  const MutexLock lock(mutex_);
  replies_.push_back(std::move(message));
}

void Session::TakeAck(const v1::EventAck& ack) {
  const std::shared_ptr<BuildJournal> journal = journals_.Find(ack.build_id());
  if (journal == nullptr) return;
  {
    const MutexLock lock(mutex_);
    Sending& sending = sending_[journal->lease().lease_id()];
    // Lower than before: the master asks for what follows once more.
    if (ack.sequence() < journal->acknowledged()) sending.sent = ack.sequence();
    sending.sent = std::max(sending.sent, ack.sequence());
  }
  journal->Acknowledge(ack.sequence());
  RemoveDelivered(*journal);
}

void Session::RemoveDelivered(const BuildJournal& journal) {
  if (!journal.delivered()) return;
  {
    const MutexLock lock(mutex_);
    sending_.erase(journal.lease().lease_id());
  }
  journals_.Remove(journal);
}

std::optional<v1::AttachRequest> Session::Next() {
  {
    const MutexLock lock(mutex_);
    if (!welcomed_) return std::nullopt;
    if (!replies_.empty()) {
      v1::AttachRequest reply = std::move(replies_.front());
      replies_.pop_front();
      return reply;
    }
    if (clock_.Now() < next_heartbeat_) return NextEvents();
    next_heartbeat_ = clock_.Now() + absl::ToChronoNanoseconds(heartbeat_interval_);
  }
  return HeartbeatMessage();
}

v1::AttachRequest Session::HeartbeatMessage() const {
  v1::AttachRequest message;
  *message.mutable_heartbeat() = holder_.Vitals();
  // Also of builds that have ended: their events are still ours to deliver.
  for (const std::shared_ptr<BuildJournal>& journal : journals_.All()) {
    message.mutable_heartbeat()->add_lease_ids(journal->lease().lease_id());
  }
  return message;
}

std::optional<v1::AttachRequest> Session::NextEvents() {
  for (const std::shared_ptr<BuildJournal>& journal : journals_.All()) {
    Sending& sending = sending_[journal->lease().lease_id()];
    if (sending.sent >= journal->last_sequence()) continue;
    v1::AttachRequest message;
    v1::EventBatch& batch = *message.mutable_event_batch();
    batch.set_build_id(journal->lease().build_id());
    batch.set_lease_id(journal->lease().lease_id());
    const absl::Status read = journal->Read(sending.sent, kBatchBytes, sending.cursor, batch.mutable_events());
    if (!read.ok() || batch.events().empty()) {
      spdlog::error("build {}: {}", batch.build_id(), std::string(read.message()));
      continue;
    }
    sending.sent = batch.events().rbegin()->sequence();
    return message;
  }
  return std::nullopt;
}

Instant Session::Due() const {
  const MutexLock lock(mutex_);
  if (welcomed_) return next_heartbeat_;
  return clock_.Now() + std::chrono::seconds(1);
}

void Session::Tick() {
  absl::Duration alone;
  {
    const MutexLock lock(mutex_);
    if (welcomed_ || !alone_since_) return;
    alone = Since(*alone_since_, clock_.Now());
  }
  for (const std::string& id : holder_.Running()) {
    const std::shared_ptr<BuildJournal> journal = journals_.Find(id);
    if (journal == nullptr) continue;
    const WithoutMaster policy = PolicyOf(journal->lease().request());
    if (alone < policy.go_on_for) continue;
    if (policy.afterwards == WithoutMaster::Afterwards::kStop) {
      holder_.Cancel(id, absl::StrCat("without a master for ", absl::FormatDuration(policy.go_on_for)));
    } else if (policy.afterwards == WithoutMaster::Afterwards::kStopAndDiscard) {
      holder_.Discard(id);
    }
  }
}

void Session::SetOwnDraining(std::optional<std::string> reason) {
  {
    const MutexLock lock(mutex_);
    own_draining_ = std::move(reason);
    if (welcomed_) {
      v1::Draining& draining = *replies_.emplace_back().mutable_draining();
      draining.set_reason(own_draining_.value_or(""));
      draining.set_resumed(!own_draining_);
    }
  }
  doorbell_.Ring();
}

bool Session::linked() const {
  const MutexLock lock(mutex_);
  return welcomed_;
}

std::optional<std::string> Session::dismissed() const {
  const MutexLock lock(mutex_);
  return dismissed_;
}

}  // namespace rootwright
