#include "ci/master/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "ci/master/submissions.h"
#include "tests/ci/master/fake_clock.h"

namespace rootwright::master {
namespace {

using ::testing::HasSubstr;

// The farm without gRPC, on a clock that the test moves.
class SessionsTest : public ::testing::Test {
 protected:
  SessionsTest()
      : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "sessions-")),
        store_(*Store::Open(folder_.path() / "master.db")),
        logs_(folder_.path() / "logs"),
        farm_(*store_, logs_, clock_,
              *LeaseTimes::Create(absl::Seconds(5), absl::Seconds(20), absl::Seconds(60))),
        sessions_(farm_),
        submissions_(farm_) {}

  std::shared_ptr<Session> Connect(const std::string& name) {
    auto session = sessions_.Open({});
    v1::AttachRequest message;
    message.mutable_register_()->set_agent(name);
    v1::Capabilities* capabilities = message.mutable_register_()->mutable_capabilities();
    capabilities->set_slots(1);
    capabilities->add_targets()->set_architecture(v1::ARCHITECTURE_ARM64);
    capabilities->mutable_targets(0)->add_routines("command");
    EXPECT_TRUE(sessions_.Receive(session, message).ok());
    return session;
  }
  v1::Build Submit() {
    v1::SubmitBuildRequest submit;
    submit.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
    submit.mutable_request()->mutable_command()->add_argv("true");
    return submissions_.Submit(submit)->build();
  }
  // The first message in the outbox of this kind; the others are dropped.
  static v1::AttachResponse Take(Session& session, v1::AttachResponse::KindCase kind) {
    v1::AttachResponse message;
    while (true) {
      const auto supply = session.outbox->Take(&message);
      if (!supply.ok() || *supply != Supply::kMessage) return {};
      if (message.kind_case() == kind) return message;
    }
  }
  void Accept(const std::shared_ptr<Session>& session, const v1::Lease& lease) {
    v1::AttachRequest message;
    message.mutable_lease_reply()->set_lease_id(lease.lease_id());
    message.mutable_lease_reply()->set_accepted(true);
    ASSERT_TRUE(sessions_.Receive(session, message).ok());
  }
  void Heartbeat(const std::shared_ptr<Session>& session, const std::string& lease_id) {
    v1::AttachRequest message;
    if (!lease_id.empty())
      message.mutable_heartbeat()->add_lease_ids(lease_id);
    else
      message.mutable_heartbeat();
    ASSERT_TRUE(sessions_.Receive(session, message).ok());
  }

  FakeClock clock_;
  ScopedFolder folder_;
  std::unique_ptr<Store> store_;
  LogStore logs_;
  Farm farm_;
  Sessions sessions_;
  Submissions submissions_;
};

TEST_F(SessionsTest, SilentSessionEndsWithGoodbye) {
  auto session = Connect("one");
  clock_.Advance(absl::Seconds(21));
  sessions_.Tick();
  EXPECT_TRUE(Take(*session, v1::AttachResponse::kGoodbye).goodbye().reconnect());
}

TEST_F(SessionsTest, HeartbeatRenewsExactlyTheLeasesItNames) {
  auto session = Connect("one");
  Submit();
  const v1::Lease lease = Take(*session, v1::AttachResponse::kLease).lease();
  Accept(session, lease);
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(absl::Seconds(10));
    Heartbeat(session, lease.lease_id());
    sessions_.Tick();
  }
  EXPECT_EQ(Take(*session, v1::AttachResponse::kLeaseRenewal).lease_renewal().lease_id(), lease.lease_id());
  EXPECT_EQ(submissions_.Get(lease.build_id())->attempt(), 1);
}

TEST_F(SessionsTest, LostBuildIsTriedThreeTimesThenEndsAsLost) {
  auto session = Connect("one");
  const v1::Build build = Submit();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const v1::Lease lease = Take(*session, v1::AttachResponse::kLease).lease();
    EXPECT_EQ(lease.attempt(), attempt);
    Accept(session, lease);
    for (int i = 0; i < 7; ++i) {
      clock_.Advance(absl::Seconds(10));
      Heartbeat(session, "");
      sessions_.Tick();
    }
  }
  const v1::Build ended = *submissions_.Get(build.id());
  EXPECT_EQ(ended.outcome(), v1::OUTCOME_INFRASTRUCTURE_ERROR);
  EXPECT_EQ(ended.infrastructure_error().code(), v1::INFRASTRUCTURE_ERROR_CODE_LOST);
  EXPECT_THAT(ended.reason(), HasSubstr("agent one"));
}

TEST_F(SessionsTest, NextAttemptGoesToAnotherAgent) {
  auto one = Connect("one");
  Submit();
  const v1::Lease first = Take(*one, v1::AttachResponse::kLease).lease();
  auto two = Connect("two");
  Accept(one, first);
  v1::AttachRequest message;
  message.mutable_event_batch()->set_build_id(first.build_id());
  message.mutable_event_batch()->set_lease_id(first.lease_id());
  v1::BuildEvent* end = message.mutable_event_batch()->add_events();
  end->set_sequence(1);
  end->set_attempt(1);
  end->mutable_build_finished()->set_outcome(v1::OUTCOME_INFRASTRUCTURE_ERROR);
  end->mutable_build_finished()->mutable_infrastructure_error()->set_transient(true);
  ASSERT_TRUE(sessions_.Receive(one, message).ok());
  EXPECT_EQ(Take(*two, v1::AttachResponse::kLease).lease().attempt(), 2);
}

TEST_F(SessionsTest, LeaseGivenBackWaitsForTheNextHeartbeat) {
  auto session = Connect("one");
  Submit();
  const v1::Lease lease = Take(*session, v1::AttachResponse::kLease).lease();
  v1::AttachRequest message;
  message.mutable_lease_reply()->set_lease_id(lease.lease_id());
  ASSERT_TRUE(sessions_.Receive(session, message).ok());
  EXPECT_FALSE(Take(*session, v1::AttachResponse::kLease).has_lease());
  Heartbeat(session, "");
  const v1::Lease again = Take(*session, v1::AttachResponse::kLease).lease();
  EXPECT_EQ(again.attempt(), 1);
  EXPECT_NE(again.lease_id(), lease.lease_id());
}

TEST_F(SessionsTest, EventsUnderAnOldLeaseChangeNothing) {
  auto session = Connect("one");
  const v1::Build build = Submit();
  v1::AttachRequest message;
  message.mutable_event_batch()->set_build_id(build.id());
  message.mutable_event_batch()->set_lease_id("an old one");
  message.mutable_event_batch()->add_events()->set_sequence(1);
  ASSERT_TRUE(sessions_.Receive(session, message).ok());
  EXPECT_TRUE(Take(*session, v1::AttachResponse::kCancel).has_cancel());
  EXPECT_EQ(submissions_.Get(build.id())->last_sequence(), 0);
}

TEST_F(SessionsTest, FirstMessageMustBeRegister) {
  auto session = sessions_.Open({});
  v1::AttachRequest message;
  message.mutable_heartbeat();
  EXPECT_EQ(sessions_.Receive(session, message).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rootwright::master
