#include "agent/admin/admin_server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/file.h"
#include "grpc/health/v1/health.pb.h"
#include "rootwright/v1/agent_admin_service.grpc.pb.h"
#include "tests/agent/build/fake_routine.h"

namespace rootwright {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::HasSubstr;

// The port of an agent, over a real channel; its builds are the test's.
class AdminServerTest : public testing::Test {
 protected:
  AdminServerTest() {
    AgentFacts facts{"builder-1",
                     "0.1.0",
                     "ci.example:7420",
                     absl::FromUnixSeconds(1'700'000'000),
                     [this] {
                       v1::Capabilities capabilities;
                       capabilities.set_slots(offered_slots_);
                       return capabilities;
                     },
                     [] {
                       return std::vector<HostCheck>{
                           {"KVM", HostCheck::Result::kDegraded, "not there; using emulation", ""},
                           {"disk", HostCheck::Result::kFailed, "3.1 GiB free", "free some"}};
                     },
                     [this] { return linked_.load(); }};
    server_ = *AdminServer::Start("127.0.0.1:0", std::move(facts), builds_, drain_, Images());
    channel_ = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
    admin_ = v1::AgentAdminService::NewStub(channel_);
    fake_.Do("run_command",
             [](StepContext& context) -> absl::StatusOr<StepResult> { return WaitForStop(context.stop); });
  }

  ImageAdmin Images() {
    return {store_, "bin", folder_.path() / "work", [] {}};
  }

  grpc::Status Health(const std::string& part, HealthCheckResponse::ServingStatus* health) {
    grpc::TemplatedGenericStub<HealthCheckRequest, HealthCheckResponse> stub(channel_);
    grpc::ClientContext context;
    grpc::CompletionQueue queue;
    HealthCheckRequest request;
    request.set_service(part);
    HealthCheckResponse response;
    grpc::Status status;
    const auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag;
    bool ok;
    queue.Next(&tag, &ok);
    *health = response.status();
    return status;
  }
  HealthCheckResponse::ServingStatus HealthOf(const std::string& part) {
    HealthCheckResponse::ServingStatus health;
    const grpc::Status status = Health(part, &health);
    EXPECT_TRUE(status.ok()) << part << ": " << status.error_message();
    return health;
  }
  v1::GetStatusResponse Status() {
    grpc::ClientContext context;
    v1::GetStatusResponse response;
    const grpc::Status status = admin_->GetStatus(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::ListAgentBuildsResponse List() {
    grpc::ClientContext context;
    v1::ListAgentBuildsResponse response;
    const grpc::Status status = admin_->ListAgentBuilds(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  grpc::Status Cancel(const std::string& build_id, const std::string& reason) {
    grpc::ClientContext context;
    v1::CancelAgentBuildRequest request;
    request.set_build_id(build_id);
    request.set_reason(reason);
    v1::CancelAgentBuildResponse response;
    return admin_->CancelAgentBuild(&context, request, &response);
  }
  static v1::Lease LeaseOf(const std::string& id) {
    v1::Lease lease;
    lease.set_build_id(id);
    lease.set_attempt(1);
    lease.set_lease_id(id + "/1");
    lease.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
    lease.mutable_request()->mutable_command()->add_argv("true");
    return lease;
  }
  void WaitUntilEnded(const std::string& lease_id) {
    for (;;) {
      const uint64_t rings = doorbell_.rings();
      if (!builds_.IsRunning(lease_id)) return;
      doorbell_.Wait(rings, Deadline::Never(), {});
    }
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "admin-");
  const StatePaths paths_{folder_.path()};
  BuildRootStore store_{folder_.path() / "roots"};
  Doorbell doorbell_;
  std::unique_ptr<Journals> journals_ = *Journals::Open(paths_, doorbell_);
  Drain drain_{doorbell_};
  Slots slots_{{1, int64_t{4} << 30, []() -> absl::StatusOr<int64_t> { return int64_t{100} << 30; }}};
  FakeBuild fake_;
  FakeRoutines routines_{fake_};
  FakePublisher publisher_;
  Builds builds_{*journals_,
                 slots_,
                 drain_,
                 paths_,
                 {.targets = {Architecture::kArm64}},
                 {routines_, publisher_, Clock::Real(), {}},
                 doorbell_,
                 [](Isolation) { return absl::OkStatus(); }};
  std::atomic<int> offered_slots_{1};
  std::atomic<bool> linked_{false};
  std::unique_ptr<AdminServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AgentAdminService::Stub> admin_;
};

TEST_F(AdminServerTest, OverallHealthIsThatOfAllParts) {
  for (const char* part : {"link", "libvirt", "disk"}) server_->SetHealth(part, true);
  EXPECT_EQ(HealthOf(""), HealthCheckResponse::SERVING);
  server_->SetHealth("libvirt", false);
  EXPECT_EQ(HealthOf("libvirt"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(HealthOf("disk"), HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf("link"), HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf(""), HealthCheckResponse::NOT_SERVING);
  server_->SetHealth("libvirt", true);
  EXPECT_EQ(HealthOf(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(HealthOf("rootwright.v1.AgentAdminService"), HealthCheckResponse::SERVING);
}

TEST_F(AdminServerTest, HealthOfAnUnknownPartIsNotFound) {
  HealthCheckResponse::ServingStatus health;
  EXPECT_EQ(Health("no such part", &health).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(AdminServerTest, StatusTellsWhatTheAgentIsAndWhatItOffersNow) {
  v1::GetStatusResponse status = Status();
  EXPECT_EQ(status.name(), "builder-1");
  EXPECT_EQ(status.version(), "0.1.0");
  EXPECT_EQ(status.master(), "ci.example:7420");
  EXPECT_EQ(status.started_at().seconds(), 1'700'000'000);
  EXPECT_EQ(status.state(), v1::AGENT_STATE_READY);
  EXPECT_FALSE(status.linked());
  EXPECT_EQ(status.capabilities().slots(), 1);
  ASSERT_EQ(status.checks_size(), 2);
  EXPECT_EQ(status.checks(0).result(), v1::HostCheck::RESULT_DEGRADED);
  EXPECT_EQ(status.checks(1).result(), v1::HostCheck::RESULT_FAILED);
  EXPECT_EQ(status.checks(1).remedy(), "free some");
  linked_ = true;
  offered_slots_ = 2;
  status = Status();
  EXPECT_TRUE(status.linked());
  EXPECT_EQ(status.capabilities().slots(), 2);
}

TEST_F(AdminServerTest, DrainTakesNoBuildsUntilResume) {
  grpc::ClientContext draining;
  v1::DrainRequest drain;
  drain.set_reason("new disk");
  v1::DrainResponse drained;
  ASSERT_TRUE(admin_->Drain(&draining, drain, &drained).ok());
  EXPECT_EQ(Status().state(), v1::AGENT_STATE_DRAINING);
  EXPECT_THAT(std::string(builds_.Take(LeaseOf("7f3a")).message()), HasSubstr("new disk"));
  grpc::ClientContext resuming;
  v1::ResumeResponse resumed;
  ASSERT_TRUE(admin_->Resume(&resuming, {}, &resumed).ok());
  EXPECT_EQ(Status().state(), v1::AGENT_STATE_READY);
  EXPECT_TRUE(builds_.Take(LeaseOf("7f3a")).ok());
}

TEST_F(AdminServerTest, ListsBuildsAndCancelsOne) {
  EXPECT_EQ(List().builds_size(), 0);
  ASSERT_TRUE(builds_.Take(LeaseOf("7f3a")).ok());
  ASSERT_EQ(List().builds_size(), 1);
  EXPECT_EQ(List().builds(0).build_id(), "7f3a");
  EXPECT_EQ(List().builds(0).attempt(), 1);
  EXPECT_EQ(Cancel("9", "").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(Cancel("7f", "wrong branch").ok());
  WaitUntilEnded("7f3a/1");
  EXPECT_EQ(List().builds(0).state(), v1::BUILD_STATE_FINISHED);
  const grpc::Status again = Cancel("7f", "");
  EXPECT_EQ(again.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(again.error_message(), HasSubstr("does not run here"));
}

TEST_F(AdminServerTest, TakenPortIsAnErrorThatNamesTheField) {
  const auto second = AdminServer::Start(server_->address(), {}, builds_, drain_, Images());
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("admin_listen"));
}

}  // namespace
}  // namespace rootwright
