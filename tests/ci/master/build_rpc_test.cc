#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/ci/master/server_fixture.h"

namespace rootwright::master {
namespace {

using ::testing::ElementsAre;

// What those who submit and watch builds see.
using BuildRpcTest = ServerTest;

TEST_F(BuildRpcTest, BuildRunsFromSubmitToSuccess) {
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

TEST_F(BuildRpcTest, WatcherGetsBuildFirstAndLastAndEventsFromItsSequence) {
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

TEST_F(BuildRpcTest, WatcherSeesEventsWhileTheyHappen) {
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

TEST_F(BuildRpcTest, RefusedRequestNamesEachField) {
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

TEST_F(BuildRpcTest, SameIdempotencyKeyGivesSameBuildAlsoAfterRestart) {
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

TEST_F(BuildRpcTest, ListRefusesStatesThatDoNotExist) {
  v1::ListBuildsRequest request;
  request.add_states(static_cast<v1::BuildState>(100));
  v1::ListBuildsResponse response;
  grpc::ClientContext context;
  EXPECT_EQ(builds_->ListBuilds(&context, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(BuildRpcTest, QueuedBuildIsCancelledAtOnce) {
  const v1::Build build = Submit();
  const v1::CancelBuildResponse first = Cancel(build.id());
  EXPECT_EQ(first.build().outcome(), v1::OUTCOME_CANCELLED);
  EXPECT_FALSE(first.already_finished());
  EXPECT_TRUE(Cancel(build.id()).already_finished());
}

TEST_F(BuildRpcTest, CancelledBuildSaysSoAlsoWithoutAReason) {
  const v1::Build build = Submit();
  EXPECT_EQ(Cancel(build.id(), "").build().reason(), "cancelled by request");
}

TEST_F(BuildRpcTest, ExplainPendingSaysThatNobodyOffersTheTarget) {
  FakeAgent agent(channel_, "builder-1");
  agent.Connect();
  v1::SubmitBuildRequest request = CommandRequest();
  request.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_RISCV64);
  const v1::ExplainPendingResponse answer = Explain(Submit(request).id());
  EXPECT_EQ(answer.summary(), "no agent offers target riscv64");
  ASSERT_EQ(answer.agents_size(), 1);
  EXPECT_EQ(answer.agents(0).reasons(0).message(), "offers arm64, not riscv64");
}

TEST_F(BuildRpcTest, WatcherFollowsThroughAttempts) {
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

TEST_F(BuildRpcTest, FollowedLogEndsWithItsStep) {
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

TEST_F(BuildRpcTest, WatchersEndWithUnavailableWhenTheMasterEnds) {
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

TEST_F(BuildRpcTest, SecondMasterOnTheSameStateIsRefused) {
  const LeaseTimes times = *LeaseTimes::Create(absl::Seconds(5), absl::Seconds(20), absl::Seconds(60));
  const auto second = Server::Start({"127.0.0.1:0", folder_.path(), times}, Clock::Real());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rootwright::master
