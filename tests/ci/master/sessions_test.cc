#include "ci/master/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "ci/master/fleet.h"
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
        submissions_(farm_),
        fleet_(farm_) {}

  std::shared_ptr<Session> Connect(const std::string& name, int slots = 1) {
    auto session = sessions_.Open({});
    v1::AttachRequest message;
    message.mutable_register_()->set_agent(name);
    v1::Capabilities* capabilities = message.mutable_register_()->mutable_capabilities();
    capabilities->set_slots(slots);
    capabilities->add_targets()->set_architecture(v1::ARCHITECTURE_ARM64);
    capabilities->mutable_targets(0)->add_routines("command");
    capabilities->mutable_default_limits()->set_memory_bytes(int64_t{1} << 30);
    capabilities->mutable_default_limits()->set_disk_bytes(int64_t{8} << 30);
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
  void Refuse(const std::shared_ptr<Session>& session, const v1::Lease& lease, v1::LeaseReply::Refusal kind,
              const std::string& reason = "") {
    v1::AttachRequest message;
    message.mutable_lease_reply()->set_lease_id(lease.lease_id());
    message.mutable_lease_reply()->set_refusal(kind);
    message.mutable_lease_reply()->set_reason(reason);
    ASSERT_TRUE(sessions_.Receive(session, message).ok());
  }
  // The attempt ends with a transient error.
  void Fail(const std::shared_ptr<Session>& session, const v1::Lease& lease, const std::string& why = "") {
    v1::BuildFinished finished;
    finished.set_outcome(v1::OUTCOME_INFRASTRUCTURE_ERROR);
    finished.mutable_infrastructure_error()->set_transient(true);
    finished.mutable_infrastructure_error()->set_message(why);
    Finish(session, lease, finished);
  }
  void Finish(const std::shared_ptr<Session>& session, const v1::Lease& lease,
              const v1::BuildFinished& finished) {
    v1::AttachRequest message;
    message.mutable_event_batch()->set_build_id(lease.build_id());
    message.mutable_event_batch()->set_lease_id(lease.lease_id());
    v1::BuildEvent* end = message.mutable_event_batch()->add_events();
    end->set_sequence(1);
    end->set_attempt(lease.attempt());
    *end->mutable_build_finished() = finished;
    ASSERT_TRUE(sessions_.Receive(session, message).ok());
  }
  v1::Lease TakeLease(Session& session) { return Take(session, v1::AttachResponse::kLease).lease(); }
  // Lets time pass, with heartbeats that renew nothing; the next lease, if there is one then.
  v1::Lease LeaseAfter(absl::Duration time, const std::shared_ptr<Session>& session) {
    for (; time > absl::ZeroDuration(); time -= absl::Seconds(1)) {
      clock_.Advance(std::min(time, absl::Seconds(1)));
      Heartbeat(session, "");
      sessions_.Tick();
    }
    return TakeLease(*session);
  }
  void TellRoom(const std::shared_ptr<Session>& session, int slots, int64_t memory, int64_t disk) {
    v1::AttachRequest message;
    message.mutable_heartbeat()->set_free_slots(slots);
    message.mutable_heartbeat()->set_free_memory_bytes(memory);
    message.mutable_heartbeat()->set_free_disk_bytes(disk);
    ASSERT_TRUE(sessions_.Receive(session, message).ok());
  }
  std::string WhyPending(const std::string& id) {
    const auto explained = fleet_.ExplainPending(id);
    return explained.ok() ? explained->summary() : std::string(explained.status().message());
  }
  // From an agent with one slot, which nothing but that lease has.
  void Heartbeat(const std::shared_ptr<Session>& session, const std::string& lease_id) {
    v1::AttachRequest message;
    message.mutable_heartbeat()->set_free_slots(lease_id.empty() ? 1 : 0);
    if (!lease_id.empty()) message.mutable_heartbeat()->add_lease_ids(lease_id);
    ASSERT_TRUE(sessions_.Receive(session, message).ok());
  }

  FakeClock clock_;
  ScopedFolder folder_;
  std::unique_ptr<Store> store_;
  LogStore logs_;
  Farm farm_;
  Sessions sessions_;
  Submissions submissions_;
  Fleet fleet_;
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
    const v1::Lease lease = LeaseAfter(farm_.times.WaitBefore(attempt), session);
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
  Fail(one, first);
  EXPECT_EQ(LeaseAfter(farm_.times.WaitBefore(2), two).attempt(), 2);
}

TEST_F(SessionsTest, EachAttemptWaitsLongerAndExplainPendingSaysSo) {
  auto session = Connect("one");
  const std::string id = Submit().id();
  Fail(session, TakeLease(*session), "libvirt: away");
  EXPECT_EQ(WhyPending(id), "waits 5 s before attempt 2: libvirt: away");
  EXPECT_FALSE(LeaseAfter(absl::Seconds(4), session).has_request());
  EXPECT_EQ(WhyPending(id), "waits 1 s before attempt 2: libvirt: away");
  const v1::Lease second = LeaseAfter(absl::Seconds(1), session);
  ASSERT_EQ(second.attempt(), 2);
  Fail(session, second, "libvirt: away");
  EXPECT_FALSE(LeaseAfter(absl::Seconds(29), session).has_request());
  EXPECT_EQ(LeaseAfter(absl::Seconds(1), session).attempt(), 3);
}

TEST_F(SessionsTest, OtherBuildsDoNotWaitForOneThatDoes) {
  auto session = Connect("one");
  Submit();
  Fail(session, TakeLease(*session));
  const v1::Build next = Submit();
  EXPECT_EQ(TakeLease(*session).build_id(), next.id());
}

TEST_F(SessionsTest, WaitBeginsAnewWithTheMaster) {
  auto session = Connect("one");
  const std::string id = Submit().id();
  Fail(session, TakeLease(*session), "mirror: away");
  ASSERT_TRUE(farm_.committer.Flush(Deadline::In(absl::Seconds(60))).ok());
  Farm next(*store_, logs_, clock_, farm_.times);
  ASSERT_TRUE(next.Load().ok());
  Sessions sessions(next);
  EXPECT_EQ(Fleet(next).ExplainPending(id)->summary(),
            "waits 5 s before attempt 2: mirror: away; one (offers arm64) is not connected");
}

TEST_F(SessionsTest, HostThatIsNotReadyIsAskedAgainLaterForAnyBuild) {
  auto session = Connect("one");
  const std::string id = Submit().id();
  Refuse(session, TakeLease(*session), v1::LeaseReply::REFUSAL_HOST, "libvirt: away");
  const std::string other = Submit().id();
  Heartbeat(session, "");
  EXPECT_FALSE(TakeLease(*session).has_request());
  EXPECT_EQ(WhyPending(other),
            "one (offers arm64) gave it back, to be asked again in 3 s: libvirt: away; "
            "1 build is before it");
  const v1::Lease again = LeaseAfter(Refusal::kFirstWait, session);
  EXPECT_EQ(again.build_id(), id);
  EXPECT_EQ(again.attempt(), 1);
  // The second time in a row it is left alone for longer.
  Refuse(session, again, v1::LeaseReply::REFUSAL_HOST);
  EXPECT_FALSE(LeaseAfter(Refusal::kFirstWait, session).has_request());
  EXPECT_TRUE(LeaseAfter(Refusal::kFirstWait, session).has_request());
}

TEST_F(SessionsTest, BuildGivenBackLetsOthersPass) {
  auto session = Connect("one");
  const std::string id = Submit().id();
  Refuse(session, TakeLease(*session), v1::LeaseReply::REFUSAL_BUILD, "disk: 1 MiB free");
  Heartbeat(session, "");
  EXPECT_FALSE(TakeLease(*session).has_request());
  EXPECT_THAT(WhyPending(id), HasSubstr("disk: 1 MiB free"));
  const std::string other = Submit().id();
  EXPECT_EQ(TakeLease(*session).build_id(), other);
}

TEST_F(SessionsTest, BuildGivenBackIsOfferedAgainAtOnceWhenThereIsMoreRoom) {
  auto session = Connect("one");
  TellRoom(session, 1, int64_t{2} << 30, int64_t{20} << 30);
  const std::string id = Submit().id();
  Refuse(session, TakeLease(*session), v1::LeaseReply::REFUSAL_BUILD);
  TellRoom(session, 1, int64_t{2} << 30, int64_t{20} << 30);
  EXPECT_FALSE(TakeLease(*session).has_request());
  TellRoom(session, 1, int64_t{3} << 30, int64_t{20} << 30);
  EXPECT_EQ(TakeLease(*session).build_id(), id);
}

TEST_F(SessionsTest, NothingIsOfferedThatDoesNotFitTheReportedRoom) {
  auto session = Connect("one", 4);
  TellRoom(session, 4, int64_t{512} << 20, int64_t{20} << 30);
  const std::string id = Submit().id();
  EXPECT_FALSE(TakeLease(*session).has_request());
  EXPECT_THAT(WhyPending(id), HasSubstr("has 512 MiB of memory free, the build gets by default 1024 MiB"));
  TellRoom(session, 4, int64_t{2} << 30, 0);
  EXPECT_FALSE(TakeLease(*session).has_request());
  EXPECT_THAT(WhyPending(id), HasSubstr("has 0 MiB of disk free, the build gets by default 8192 MiB"));
  TellRoom(session, 4, int64_t{2} << 30, int64_t{8} << 30);
  EXPECT_EQ(TakeLease(*session).build_id(), id);
}

TEST_F(SessionsTest, RoomIsNotGivenAwayTwiceBetweenHeartbeats) {
  auto session = Connect("one", 4);
  TellRoom(session, 4, int64_t{1} << 30, int64_t{100} << 30);
  Submit();
  Accept(session, TakeLease(*session));
  const std::string second = Submit().id();
  EXPECT_FALSE(TakeLease(*session).has_request());
  EXPECT_THAT(WhyPending(second), HasSubstr("has 0 MiB of memory free"));
}

TEST_F(SessionsTest, SlotThatTheAgentStillNeedsIsNotGivenAway) {
  auto session = Connect("one");
  Submit();
  const v1::Lease first = TakeLease(*session);
  Accept(session, first);
  TellRoom(session, 0, 0, int64_t{100} << 30);
  // It has ended, and its files are being removed.
  v1::BuildFinished finished;
  finished.set_outcome(v1::OUTCOME_SUCCEEDED);
  Finish(session, first, finished);
  const std::string second = Submit().id();
  EXPECT_FALSE(TakeLease(*session).has_request());
  EXPECT_EQ(WhyPending(second),
            "one (offers arm64) has 0 MiB of memory free, the build gets by default 1024 MiB");
  EXPECT_EQ(fleet_.Get("one")->free_slots(), 0);
  TellRoom(session, 0, int64_t{2} << 30, int64_t{100} << 30);
  EXPECT_EQ(WhyPending(second), "one (offers arm64) is busy: 1 of 1 slots are taken");
  TellRoom(session, 1, int64_t{2} << 30, int64_t{100} << 30);
  EXPECT_EQ(TakeLease(*session).build_id(), second);
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
