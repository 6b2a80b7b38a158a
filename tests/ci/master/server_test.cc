#include "ci/master/server.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "rootwright/v1/build_service.grpc.pb.h"
#include "rootwright/v1/fleet_service.grpc.pb.h"
#include "tests/ci/master/fake_agent.h"

namespace rootwright::master {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::SubmitBuildRequest CommandRequest() {
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

  void Start(LeaseTimes times = *LeaseTimes::Create(absl::Seconds(5), absl::Seconds(20), absl::Seconds(60))) {
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
  // Uploads `sent` as what was announced with the digest of `content`.
  grpc::Status Upload(FakeAgent& agent, const std::string& content, const std::string& sent, int64_t offset) {
    grpc::ClientContext context;
    v1::UploadArtifactResponse response;
    auto writer = agent.stub().UploadArtifact(&context, &response);
    v1::UploadArtifactRequest message;
    message.set_build_id(agent.lease().build_id());
    message.set_lease_id(agent.lease().lease_id());
    *message.mutable_artifact() = Announce(content);
    message.set_offset(offset);
    message.set_data(sent);
    writer->Write(message);
    writer->WritesDone();
    return writer->Finish();
  }
  v1::QueryArtifactResponse Query(FakeAgent& agent, const std::string& content) {
    grpc::ClientContext context;
    v1::QueryArtifactRequest request;
    request.set_build_id(agent.lease().build_id());
    request.set_lease_id(agent.lease().lease_id());
    *request.mutable_artifact() = Announce(content);
    v1::QueryArtifactResponse response;
    const grpc::Status status = agent.stub().QueryArtifact(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  static v1::Artifact Announce(const std::string& content) {
    v1::Artifact artifact;
    artifact.set_name("out.bin");
    artifact.set_size_bytes(static_cast<int64_t>(content.size()));
    artifact.set_sha256(Sha256::Of(content));
    return artifact;
  }

  ScopedFolder folder_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BuildService::Stub> builds_;
  std::unique_ptr<v1::FleetService::Stub> fleet_;
  grpc::Status watch_status_, log_status_;
};

TEST_F(ServerTest, BuildRunsFromSubmitToSuccess) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  EXPECT_EQ(agent.AcceptLease().build_id(), build.id());
  RunBuild(agent);
  EXPECT_THAT(SequencesOf(build.id(), 1), ElementsAre(1, 2, 3, 4));
  const v1::Build done = Get(build.id().substr(0, 6));
  EXPECT_EQ(done.state(), v1::BUILD_STATE_FINISHED);
  EXPECT_EQ(done.outcome(), v1::OUTCOME_SUCCEEDED);
  EXPECT_EQ(done.agent(), "builder-1");
  ASSERT_EQ(done.steps_size(), 1);
  EXPECT_EQ(done.steps(0).log_bytes(), 6);
  EXPECT_EQ(ReadLog(build.id(), "run", false), "hello\n");
}

TEST_F(ServerTest, WatcherGetsBuildFirstAndLastAndEventsFromItsSequence) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  RunBuild(agent);
  v1::WatchBuildRequest request;
  request.set_build_id(build.id());
  request.set_from_sequence(3);
  const auto messages = Watch(request);
  EXPECT_TRUE(watch_status_.ok());
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_TRUE(messages.front().has_build());
  EXPECT_EQ(messages[1].event().sequence(), 3);
  EXPECT_EQ(messages[2].event().sequence(), 4);
  EXPECT_EQ(messages.back().build().state(), v1::BUILD_STATE_FINISHED);
}

TEST_F(ServerTest, WatcherSeesEventsWhileTheyHappen) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  grpc::ClientContext context;
  v1::WatchBuildRequest request;
  request.set_build_id(build.id());
  auto reader = builds_->WatchBuild(&context, request);
  agent.Send({agent.StepStarted("run")});
  v1::WatchBuildResponse message;
  while (!message.has_event()) ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.event().step_started().step(), "run");
  context.TryCancel();
  while (reader->Read(&message)) {
  }
  reader->Finish();
}

TEST_F(ServerTest, RefusedRequestNamesEachField) {
  v1::SubmitBuildRequest request = CommandRequest();
  request.mutable_request()->mutable_limits()->set_vcpus(9);
  request.mutable_request()->set_priority(1000);
  grpc::ClientContext context;
  v1::SubmitBuildResponse response;
  const grpc::Status status = builds_->SubmitBuild(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::BadRequest bad;
  ASSERT_EQ(details.details_size(), 1);
  ASSERT_TRUE(details.details(0).UnpackTo(&bad));
  ASSERT_EQ(bad.field_violations_size(), 2);
  EXPECT_EQ(bad.field_violations(0).field(), "request.limits.vcpus");
  EXPECT_EQ(bad.field_violations(1).field(), "request.priority");
}

TEST_F(ServerTest, SameIdempotencyKeyGivesSameBuildAlsoAfterRestart) {
  v1::SubmitBuildRequest request = CommandRequest();
  request.set_idempotency_key("once");
  const v1::Build first = Submit(request);
  EXPECT_EQ(Submit(request).id(), first.id());
  Restart();
  EXPECT_EQ(Submit(request).id(), first.id());
  request.mutable_request()->set_priority(1);
  grpc::ClientContext context;
  v1::SubmitBuildResponse response;
  EXPECT_EQ(builds_->SubmitBuild(&context, request, &response).error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ServerTest, ListRefusesStatesThatDoNotExist) {
  v1::ListBuildsRequest request;
  request.add_states(static_cast<v1::BuildState>(100));
  v1::ListBuildsResponse response;
  grpc::ClientContext context;
  EXPECT_EQ(builds_->ListBuilds(&context, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ServerTest, QueuedBuildIsCancelledAtOnce) {
  const v1::Build build = Submit();
  const v1::CancelBuildResponse first = Cancel(build.id());
  EXPECT_EQ(first.build().outcome(), v1::OUTCOME_CANCELLED);
  EXPECT_FALSE(first.already_finished());
  EXPECT_TRUE(Cancel(build.id()).already_finished());
}

TEST_F(ServerTest, CancelledBuildSaysSoAlsoWithoutAReason) {
  const v1::Build build = Submit();
  EXPECT_EQ(Cancel(build.id(), "").build().reason(), "cancelled by request");
}

TEST_F(ServerTest, LeasedBuildIsCancelledByItsAgent) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  EXPECT_NE(Cancel(build.id()).build().state(), v1::BUILD_STATE_FINISHED);
  const auto message = agent.Await([](const v1::AttachResponse& answer) { return answer.has_cancel(); });
  EXPECT_EQ(message.cancel().reason(), "cancelled by request: not wanted");
  agent.Send({agent.Finished(v1::OUTCOME_CANCELLED)});
  agent.AwaitAck(1);
  EXPECT_EQ(Get(build.id()).outcome(), v1::OUTCOME_CANCELLED);
}

TEST_F(ServerTest, ExplainPendingSaysThatNobodyOffersTheTarget) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  v1::SubmitBuildRequest request = CommandRequest();
  request.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_RISCV64);
  const v1::ExplainPendingResponse answer = Explain(Submit(request).id());
  EXPECT_EQ(answer.summary(), "no agent offers target riscv64");
  ASSERT_EQ(answer.agents_size(), 1);
  EXPECT_EQ(answer.agents(0).reasons(0).message(), "offers arm64, not riscv64");
}

TEST_F(ServerTest, AgentComesBackAfterMasterRestartAndGoesOn) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  agent.Send({agent.StepStarted("run"), agent.Log("run", "one\n")});
  agent.AwaitAck(2);
  const auto goodbye = std::make_unique<FakeAgent>(channel_, "unused");
  Restart();
  FakeAgent back(channel_, "builder-1");
  v1::Register registration = back.Registration();
  auto* held = registration.add_held_builds();
  held->set_build_id(build.id());
  held->set_lease_id(agent.lease().lease_id());
  held->set_attempt(1);
  held->set_last_sequence(2);
  held->set_running(true);
  const v1::Welcome welcome = back.Connect(registration);
  ASSERT_EQ(welcome.held_builds_size(), 1);
  EXPECT_EQ(welcome.held_builds(0).action(), v1::HeldBuildVerdict::ACTION_CONTINUE);
  EXPECT_EQ(welcome.held_builds(0).acknowledged_sequence(), 2);
  v1::AttachRequest message;
  EXPECT_EQ(Get(build.id()).steps_size(), 1);
  EXPECT_EQ(Get(build.id()).last_sequence(), 2);
  EXPECT_EQ(ReadLog(build.id(), "run", false), "one\n");
}

TEST_F(ServerTest, RestartedAgentWithoutItsBuildMeansNextAttempt) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  agent.Send({agent.StepStarted("run")});
  agent.AwaitAck(1);
  agent.Disconnect();
  agent.set_incarnation("ffffffffffffffffffffffffffffffff");
  agent.Connect();
  EXPECT_EQ(agent.AcceptLease().attempt(), 2);
  RunBuild(agent);
  EXPECT_EQ(Get(build.id()).attempt(), 2);
  EXPECT_EQ(Get(build.id()).outcome(), v1::OUTCOME_SUCCEEDED);
}

TEST_F(ServerTest, WatcherFollowsThroughAttempts) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  v1::BuildEvent end = agent.Finished(v1::OUTCOME_INFRASTRUCTURE_ERROR);
  end.mutable_build_finished()->mutable_infrastructure_error()->set_transient(true);
  end.mutable_build_finished()->mutable_infrastructure_error()->set_message("guest panicked");
  agent.Send({end});
  EXPECT_EQ(agent.AcceptLease().attempt(), 2);
  RunBuild(agent);
  v1::WatchBuildRequest request;
  request.set_build_id(build.id());
  request.set_attempt(1);
  std::vector<std::pair<int, int64_t>> positions;
  for (const auto& message : Watch(request)) {
    if (message.has_event()) positions.emplace_back(message.event().attempt(), message.event().sequence());
  }
  EXPECT_THAT(positions, ElementsAre(std::pair(1, 1), std::pair(2, 1), std::pair(2, 2), std::pair(2, 3),
                                     std::pair(2, 4)));
}

TEST_F(ServerTest, SecondSessionOfTheSameNameTakesOver) {
  FakeAgent first(channel_, "builder-1");
  first.Connect();
  FakeAgent second(channel_, "builder-1");
  second.set_incarnation("ffffffffffffffffffffffffffffffff");
  second.Connect();
  const auto message = first.Await([](const v1::AttachResponse& answer) { return answer.has_goodbye(); });
  EXPECT_FALSE(message.goodbye().reconnect());
  EXPECT_TRUE(first.End().ok());
}

TEST_F(ServerTest, WrongLogDigestIsAskedForAgain) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  agent.Send({agent.StepStarted("run")});
  agent.AwaitAck(1);
  v1::BuildEvent log = agent.Log("run", "right\n");
  v1::BuildEvent wrong = log;
  wrong.mutable_log_chunk()->set_data("wrong\n");
  const v1::BuildEvent finished = agent.StepFinished("run");
  agent.Send({wrong, finished});
  const auto ack = agent.Await([](const v1::AttachResponse& answer) {
    return answer.has_event_ack() && answer.event_ack().sequence() == 0;
  });
  ASSERT_TRUE(ack.has_event_ack());
  v1::BuildEvent start;
  start.set_sequence(1);
  start.set_attempt(1);
  start.mutable_step_started()->set_step("run");
  agent.Send({start, log, finished, agent.Finished(v1::OUTCOME_SUCCEEDED)});
  agent.AwaitAck(4);
  EXPECT_EQ(Get(build.id()).outcome(), v1::OUTCOME_SUCCEEDED);
  EXPECT_EQ(ReadLog(build.id(), "run", false), "right\n");
}

TEST_F(ServerTest, FollowedLogEndsWithItsStep) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  agent.Send({agent.StepStarted("run"), agent.Log("run", "one\n")});
  agent.AwaitAck(2);
  std::jthread rest([&] { agent.Send({agent.Log("run", "two\n"), agent.StepFinished("run")}); });
  EXPECT_EQ(ReadLog(build.id(), "run", true), "one\ntwo\n");
  EXPECT_EQ(ReadLog(build.id(), "nosuch", false), "");
  EXPECT_EQ(log_status_.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerTest, ArtifactUploadResumesAndIsVerified) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  const std::string content = "0123456789";
  EXPECT_EQ(Upload(agent, content, "01234", 0).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(Query(agent, content).committed_bytes(), 5);
  EXPECT_EQ(Upload(agent, content, "789", 7).error_code(), grpc::StatusCode::OUT_OF_RANGE);
  const grpc::Status rest = Upload(agent, content, "56789", 5);
  EXPECT_TRUE(rest.ok()) << rest.error_message();
  EXPECT_TRUE(Query(agent, content).complete());
  ASSERT_EQ(Get(build.id()).artifacts_size(), 1);
  grpc::ClientContext context;
  v1::ReadArtifactRequest request;
  request.set_build_id(build.id());
  request.set_name("out.bin");
  request.set_offset(4);
  auto reader = builds_->ReadArtifact(&context, request);
  v1::ReadArtifactResponse piece;
  ASSERT_TRUE(reader->Read(&piece));
  EXPECT_EQ(piece.data(), "456789");
  EXPECT_FALSE(reader->Read(&piece));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ServerTest, CorruptArtifactIsThrownAway) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  EXPECT_EQ(Upload(agent, "right", "wrong", 0).error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(Query(agent, "right").committed_bytes(), 0);
  EXPECT_EQ(Get(build.id()).artifacts_size(), 0);
}

TEST_F(ServerTest, DrainedAgentGetsNothingUntilResumed) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  grpc::ClientContext drain_context, resume_context;
  v1::DrainAgentRequest drain;
  drain.set_name("builder-1");
  drain.set_reason("new disk");
  v1::DrainAgentResponse drained;
  ASSERT_TRUE(fleet_->DrainAgent(&drain_context, drain, &drained).ok());
  EXPECT_EQ(drained.agent().state(), v1::AGENT_STATE_DRAINING);
  const v1::Build build = Submit();
  EXPECT_THAT(Explain(build.id()).summary(), HasSubstr("is drained since"));
  v1::ResumeAgentRequest resume;
  resume.set_name("builder-1");
  v1::ResumeAgentResponse resumed;
  ASSERT_TRUE(fleet_->ResumeAgent(&resume_context, resume, &resumed).ok());
  EXPECT_EQ(agent.AwaitLease().build_id(), build.id());
}

TEST_F(ServerTest, WatchersEndWithUnavailableWhenTheMasterEnds) {
  const v1::Build build = Submit();
  grpc::ClientContext context;
  v1::WatchBuildRequest request;
  request.set_build_id(build.id());
  auto reader = builds_->WatchBuild(&context, request);
  v1::WatchBuildResponse message;
  ASSERT_TRUE(reader->Read(&message));
  server_ = nullptr;
  while (reader->Read(&message)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServerTest, SecondMasterOnTheSameStateIsRefused) {
  const LeaseTimes times = *LeaseTimes::Create(absl::Seconds(5), absl::Seconds(20), absl::Seconds(60));
  const auto second = Server::Start({"127.0.0.1:0", folder_.path(), times}, Clock::Real());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rootwright::master
