#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ci/master/server_fixture.h"

namespace rootwright::master {
namespace {

using ::testing::HasSubstr;

// What agents see, and what comes of what they say.
class AgentLinkRpcTest : public ServerTest {
 protected:
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
};

TEST_F(AgentLinkRpcTest, LeasedBuildIsCancelledByItsAgent) {
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

TEST_F(AgentLinkRpcTest, AgentComesBackAfterMasterRestartAndGoesOn) {
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

TEST_F(AgentLinkRpcTest, RestartedAgentWithoutItsBuildMeansNextAttempt) {
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

TEST_F(AgentLinkRpcTest, SecondSessionOfTheSameNameTakesOver) {
  FakeAgent first(channel_, "builder-1");
  first.Connect();
  FakeAgent second(channel_, "builder-1");
  second.set_incarnation("ffffffffffffffffffffffffffffffff");
  second.Connect();
  const auto message = first.Await([](const v1::AttachResponse& answer) { return answer.has_goodbye(); });
  EXPECT_FALSE(message.goodbye().reconnect());
  EXPECT_TRUE(first.End().ok());
}

TEST_F(AgentLinkRpcTest, WrongLogDigestIsAskedForAgain) {
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

TEST_F(AgentLinkRpcTest, ArtifactUploadResumesAndIsVerified) {
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

TEST_F(AgentLinkRpcTest, CorruptArtifactIsThrownAway) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  const v1::Build build = Submit();
  agent.AcceptLease();
  EXPECT_EQ(Upload(agent, "right", "wrong", 0).error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_EQ(Query(agent, "right").committed_bytes(), 0);
  EXPECT_EQ(Get(build.id()).artifacts_size(), 0);
}

TEST_F(AgentLinkRpcTest, DrainedAgentGetsNothingUntilResumed) {
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

}  // namespace
}  // namespace rootwright::master
