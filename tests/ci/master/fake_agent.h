#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "base/sha256.h"
#include "rootwright/v1/agent_link_service.grpc.pb.h"

namespace rootwright::master {

// An agent that says exactly what a test tells it to, over a real stream.
class FakeAgent {
 public:
  FakeAgent(const std::shared_ptr<grpc::Channel>& channel, std::string name)
      : stub_(v1::AgentLinkService::NewStub(channel)), name_(std::move(name)) {}
  ~FakeAgent() { Disconnect(); }

  v1::Register Registration() const {
    v1::Register message;
    message.set_agent(name_);
    message.set_incarnation(incarnation_);
    message.set_version("test");
    message.mutable_capabilities()->set_slots(1);
    for (const char* routine : {"rootfs", "command"}) {
      if (message.capabilities().targets().empty()) {
        auto* target = message.mutable_capabilities()->add_targets();
        target->set_architecture(v1::ARCHITECTURE_ARM64);
        target->set_isolation(v1::ISOLATION_MACHINE);
      }
      message.mutable_capabilities()->mutable_targets(0)->add_routines(routine);
    }
    return message;
  }

  // Connects and registers; the Welcome.
  v1::Welcome Connect() { return Connect(Registration()); }
  v1::Welcome Connect(const v1::Register& registration) {
    context_ = std::make_unique<grpc::ClientContext>();
    stream_ = stub_->Attach(context_.get());
    v1::AttachRequest message;
    *message.mutable_register_() = registration;
    stream_->Write(message);
    return Await([](const v1::AttachResponse& answer) { return answer.has_welcome(); }).welcome();
  }
  // As if the network went away.
  void Disconnect() {
    if (stream_ == nullptr) return;
    context_->TryCancel();
    v1::AttachResponse rest;
    while (stream_->Read(&rest)) {
    }
    stream_->Finish();
    stream_ = nullptr;
  }

  // The next message that fits, others are dropped; an empty one when the stream ends first.
  v1::AttachResponse Await(const std::function<bool(const v1::AttachResponse&)>& fits) {
    v1::AttachResponse message;
    while (stream_->Read(&message)) {
      if (fits(message)) return message;
    }
    return {};
  }
  grpc::Status End() {
    const grpc::Status status = stream_->Finish();
    stream_ = nullptr;
    return status;
  }

  v1::Lease AwaitLease() {
    lease_ = Await([](const v1::AttachResponse& answer) { return answer.has_lease(); }).lease();
    sequence_ = 0;
    return lease_;
  }
  void Reply(bool accepted) {
    v1::AttachRequest message;
    message.mutable_lease_reply()->set_lease_id(lease_.lease_id());
    message.mutable_lease_reply()->set_accepted(accepted);
    stream_->Write(message);
  }
  v1::Lease AcceptLease() {
    AwaitLease();
    Reply(true);
    return lease_;
  }
  void AwaitAck(int64_t sequence) {
    Await([&](const v1::AttachResponse& answer) {
      return answer.has_event_ack() && answer.event_ack().sequence() >= sequence;
    });
  }

  // Events of the leased build; each takes the next sequence.
  v1::BuildEvent Next() {
    v1::BuildEvent event;
    event.set_sequence(++sequence_);
    event.set_attempt(lease_.attempt());
    return event;
  }
  v1::BuildEvent StepStarted(const std::string& step) {
    v1::BuildEvent event = Next();
    event.mutable_step_started()->set_step(step);
    logs_[step].clear();
    return event;
  }
  v1::BuildEvent Log(const std::string& step, const std::string& data) {
    v1::BuildEvent event = Next();
    event.mutable_log_chunk()->set_step(step);
    event.mutable_log_chunk()->set_stream(v1::LOG_STREAM_STDOUT);
    event.mutable_log_chunk()->set_offset(static_cast<int64_t>(logs_[step].size()));
    event.mutable_log_chunk()->set_data(data);
    logs_[step] += data;
    return event;
  }
  v1::BuildEvent StepFinished(const std::string& step) {
    v1::BuildEvent event = Next();
    event.mutable_step_finished()->set_step(step);
    event.mutable_step_finished()->set_state(v1::STEP_STATE_SUCCEEDED);
    *event.mutable_step_finished()->mutable_log() = DigestOf(step);
    return event;
  }
  v1::BuildEvent Finished(v1::Outcome outcome) {
    v1::BuildEvent event = Next();
    event.mutable_build_finished()->set_outcome(outcome);
    for (const auto& [step, log] : logs_)
      (*event.mutable_build_finished()->mutable_logs())[step] = DigestOf(step);
    return event;
  }
  void Send(const std::vector<v1::BuildEvent>& events) {
    v1::AttachRequest message;
    message.mutable_event_batch()->set_build_id(lease_.build_id());
    message.mutable_event_batch()->set_lease_id(lease_.lease_id());
    for (const v1::BuildEvent& event : events) *message.mutable_event_batch()->add_events() = event;
    stream_->Write(message);
  }
  void Heartbeat() {
    v1::AttachRequest message;
    message.mutable_heartbeat()->set_free_slots(lease_.lease_id().empty() ? 1 : 0);
    message.mutable_heartbeat()->add_lease_ids(lease_.lease_id());
    stream_->Write(message);
  }

  v1::AgentLinkService::Stub& stub() { return *stub_; }
  const v1::Lease& lease() const { return lease_; }
  int64_t sequence() const { return sequence_; }
  void set_sequence(int64_t sequence) { sequence_ = sequence; }
  void set_incarnation(std::string incarnation) { incarnation_ = std::move(incarnation); }

 private:
  v1::LogDigest DigestOf(const std::string& step) {
    v1::LogDigest digest;
    digest.set_size_bytes(static_cast<int64_t>(logs_[step].size()));
    digest.set_sha256(Sha256::Of(logs_[step]));
    return digest;
  }

  std::unique_ptr<v1::AgentLinkService::Stub> stub_;
  const std::string name_;
  std::string incarnation_ = "0123456789abcdef0123456789abcdef";
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>> stream_;
  v1::Lease lease_;
  int64_t sequence_ = 0;
  std::map<std::string, std::string> logs_;
};

}  // namespace rootwright::master
