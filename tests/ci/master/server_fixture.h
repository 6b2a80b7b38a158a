#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "ci/master/server.h"
#include "rootwright/v1/build_service.grpc.pb.h"
#include "rootwright/v1/fleet_service.grpc.pb.h"
#include "tests/ci/master/fake_agent.h"

namespace rootwright::master {

inline v1::SubmitBuildRequest CommandRequest() {
  v1::SubmitBuildRequest submit;
  submit.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
  submit.mutable_request()->mutable_command()->add_argv("true");
  return submit;
}

// A master on a free port with its state in a folder of its own, and a client's view of it.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "master-")) {
    Start();
  }

  void Start(LeaseTimes times = *LeaseTimes::Create(absl::Seconds(5), absl::Seconds(20), absl::Seconds(60),
                                                    absl::Milliseconds(1))) {
    auto server = Server::Start({"127.0.0.1:0", folder_.path(), times}, Clock::Real());
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    builds_ = v1::BuildService::NewStub(channel_);
    fleet_ = v1::FleetService::NewStub(channel_);
  }
  void Restart() {
    server_ = nullptr;
    Start();
  }

  v1::Build Submit(const v1::SubmitBuildRequest& request = CommandRequest()) {
    grpc::ClientContext context;
    v1::SubmitBuildResponse response;
    const grpc::Status status = builds_->SubmitBuild(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.build();
  }
  v1::Build Get(const std::string& id) {
    grpc::ClientContext context;
    v1::GetBuildRequest request;
    request.set_build_id(id);
    v1::GetBuildResponse response;
    const grpc::Status status = builds_->GetBuild(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.build();
  }
  v1::CancelBuildResponse Cancel(const std::string& id, const std::string& reason = "not wanted") {
    grpc::ClientContext context;
    v1::CancelBuildRequest request;
    request.set_build_id(id);
    request.set_reason(reason);
    v1::CancelBuildResponse response;
    const grpc::Status status = builds_->CancelBuild(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // All messages until the stream ends.
  std::vector<v1::WatchBuildResponse> Watch(v1::WatchBuildRequest request) {
    grpc::ClientContext context;
    auto reader = builds_->WatchBuild(&context, request);
    std::vector<v1::WatchBuildResponse> messages;
    v1::WatchBuildResponse message;
    while (reader->Read(&message)) messages.push_back(message);
    watch_status_ = reader->Finish();
    return messages;
  }
  std::vector<int64_t> SequencesOf(const std::string& id, int64_t from) {
    v1::WatchBuildRequest request;
    request.set_build_id(id);
    request.set_from_sequence(from);
    std::vector<int64_t> sequences;
    for (const auto& message : Watch(request)) {
      if (message.has_event()) sequences.push_back(message.event().sequence());
    }
    return sequences;
  }
  std::string ReadLog(const std::string& id, const std::string& step, bool follow) {
    grpc::ClientContext context;
    v1::ReadLogRequest request;
    request.set_build_id(id);
    request.set_step(step);
    request.set_follow(follow);
    auto reader = builds_->ReadLog(&context, request);
    v1::ReadLogResponse piece;
    std::string log;
    while (reader->Read(&piece)) log += piece.data();
    log_status_ = reader->Finish();
    return log;
  }
  v1::ExplainPendingResponse Explain(const std::string& id) {
    grpc::ClientContext context;
    v1::ExplainPendingRequest request;
    request.set_build_id(id);
    v1::ExplainPendingResponse response;
    const grpc::Status status = fleet_->ExplainPending(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  // A whole build of one step.
  void RunBuild(FakeAgent& agent) {
    agent.Send({agent.StepStarted("run"), agent.Log("run", "hello\n"), agent.StepFinished("run"),
                agent.Finished(v1::OUTCOME_SUCCEEDED)});
    agent.AwaitAck(4);
  }

  ScopedFolder folder_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BuildService::Stub> builds_;
  std::unique_ptr<v1::FleetService::Stub> fleet_;
  grpc::Status watch_status_, log_status_;
};

}  // namespace rootwright::master
