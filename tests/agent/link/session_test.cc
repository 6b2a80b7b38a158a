#include "agent/link/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "proto/proto_time.h"
#include "tests/agent/build/fake_routine.h"
#include "tests/agent/link/fake_holder.h"

namespace rootwright {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SessionTest : public testing::Test {
 protected:
  v1::AttachResponse Welcome() {
    v1::AttachResponse message;
    *message.mutable_welcome()->mutable_heartbeat_interval() = ToProto(absl::Seconds(5));
    return message;
  }
  v1::AttachResponse Verdict(const std::string& build, v1::HeldBuildVerdict::Action action,
                             int64_t acknowledged = 0) {
    v1::AttachResponse message = Welcome();
    v1::HeldBuildVerdict* verdict = message.mutable_welcome()->add_held_builds();
    verdict->set_build_id(build);
    verdict->set_action(action);
    verdict->set_acknowledged_sequence(acknowledged);
    return message;
  }
  v1::AttachResponse Lease(const std::string& build) {
    v1::AttachResponse message;
    message.mutable_lease()->set_build_id(build);
    message.mutable_lease()->set_lease_id("lease-" + build);
    message.mutable_lease()->set_attempt(1);
    *message.mutable_lease()->mutable_expires_in() = ToProto(absl::Seconds(60));
    *message.mutable_lease()->mutable_request() = request_;
    return message;
  }
  v1::AttachResponse Ack(const std::string& build, int64_t sequence) {
    v1::AttachResponse message;
    message.mutable_event_ack()->set_build_id(build);
    message.mutable_event_ack()->set_sequence(sequence);
    return message;
  }
  void Log(const std::string& build, int count, size_t size = 10) {
    for (int i = 0; i < count; ++i) {
      v1::BuildEvent event;
      event.mutable_log_chunk()->set_data(std::string(size, 'x'));
      ASSERT_TRUE(journals_->Find(build)->Append(std::move(event)).ok());
    }
  }
  void Finish(const std::string& build) {
    v1::BuildEvent event;
    event.mutable_build_finished()->set_outcome(v1::OUTCOME_SUCCEEDED);
    ASSERT_TRUE(journals_->Find(build)->Append(std::move(event)).ok());
  }
  // Connected, with a build under a lease, and nothing left to send.
  void OpenWithBuild(const std::string& build) {
    session_.Open();
    session_.Receive(Welcome());
    session_.Receive(Lease(build));
    session_.Poll();
  }
  // Sequences that Poll sends until it has no more.
  std::vector<int64_t> SentSequences() {
    std::vector<int64_t> sequences;
    for (;;) {
      const auto messages = session_.Poll();
      if (messages.empty()) return sequences;
      for (const auto& message : messages) {
        for (const auto& event : message.event_batch().events()) sequences.push_back(event.sequence());
      }
    }
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "session-");
  Doorbell doorbell_;
  std::unique_ptr<Journals> journals_ = *Journals::Open(StatePaths(folder_.path()), doorbell_);
  FakeClock clock_;
  Drain drain_{doorbell_};
  FakeHolder holder_{*journals_};
  FakeShellServer shells_;
  v1::BuildRequest request_;
  Session session_{{"builder-1", std::string(32, 'a'), "0.1.0", [] { return v1::Capabilities(); }},
                   *journals_,
                   holder_,
                   drain_,
                   shells_,
                   clock_};
};

TEST_F(SessionTest, RegistersFirstAndSaysNothingElseBeforeWelcome) {
  const auto hello = session_.Open();
  EXPECT_EQ(hello.register_().agent(), "builder-1");
  EXPECT_THAT(session_.Poll(), IsEmpty());
  session_.Receive(Welcome());
  const auto messages = session_.Poll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].heartbeat().free_slots(), 1);
  EXPECT_EQ(messages[0].heartbeat().free_disk_bytes(), 3);
}

TEST_F(SessionTest, TellsWhatIsKeptAtOnceAndLetsItGoWhenAsked) {
  session_.Open();
  session_.Receive(Welcome());
  session_.Poll();
  holder_.kept_ones = {{"a", absl::FromUnixSeconds(1'700'000'100)}};
  auto messages = session_.Poll();
  ASSERT_EQ(messages.size(), 1u);
  ASSERT_EQ(messages[0].heartbeat().kept_size(), 1);
  EXPECT_EQ(messages[0].heartbeat().kept(0).build_id(), "a");
  EXPECT_EQ(messages[0].heartbeat().kept(0).until().seconds(), 1'700'000'100);
  EXPECT_THAT(session_.Poll(), IsEmpty());
  v1::AttachResponse release;
  release.mutable_release_kept()->set_build_id("a");
  session_.Receive(release);
  EXPECT_THAT(holder_.released, testing::ElementsAre("a"));
}

TEST_F(SessionTest, HandsShellsOn) {
  session_.Open();
  session_.Receive(Welcome());
  v1::AttachResponse open;
  open.mutable_open_shell()->set_shell_id("s1");
  session_.Receive(open);
  EXPECT_THAT(shells_.asked, testing::ElementsAre("s1"));
}

TEST_F(SessionTest, HeartbeatsAtTheMastersInterval) {
  session_.Open();
  session_.Receive(Welcome());
  session_.Poll();
  clock_.Advance(absl::Seconds(4));
  EXPECT_THAT(session_.Poll(), IsEmpty());
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(session_.Poll().size(), 1u);
}

TEST_F(SessionTest, AcceptsALeaseAndTakesADuplicateForTheSame) {
  session_.Open();
  session_.Receive(Welcome());
  session_.Poll();
  session_.Receive(Lease("a"));
  session_.Receive(Lease("a"));
  const auto messages = session_.Poll();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_TRUE(messages[0].lease_reply().accepted());
  EXPECT_TRUE(messages[1].lease_reply().accepted());
  EXPECT_EQ(holder_.taken, 1);
}

TEST_F(SessionTest, RefusalNamesItsReason) {
  session_.Open();
  session_.Receive(Welcome());
  session_.Poll();
  holder_.refusal = absl::ResourceExhaustedError("slots: all 1 taken");
  session_.Receive(Lease("a"));
  const auto messages = session_.Poll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_FALSE(messages[0].lease_reply().accepted());
  EXPECT_EQ(messages[0].lease_reply().reason(), "slots: all 1 taken");
}

TEST_F(SessionTest, RefusalSaysWhetherItIsAboutTheHostOrTheBuild) {
  session_.Open();
  session_.Receive(Welcome());
  session_.Poll();
  const auto refusal = [&](absl::Status status) {
    holder_.refusal = std::move(status);
    session_.Receive(Lease("a"));
    return session_.Poll().at(0).lease_reply().refusal();
  };
  EXPECT_EQ(refusal(absl::UnavailableError("libvirt: away")), v1::LeaseReply::REFUSAL_HOST);
  EXPECT_EQ(refusal(absl::ResourceExhaustedError("disk: full")), v1::LeaseReply::REFUSAL_BUILD);
}

TEST_F(SessionTest, TellsAtOnceWhenSlotsOrMemoryChange) {
  session_.Open();
  session_.Receive(Welcome());
  session_.Poll();
  EXPECT_THAT(session_.Poll(), IsEmpty());
  holder_.free.free_disk_bytes = -1;
  EXPECT_THAT(session_.Poll(), IsEmpty());
  holder_.free.free_memory_bytes = 0;
  const auto messages = session_.Poll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(messages[0].heartbeat().has_free_memory_bytes());
  EXPECT_EQ(messages[0].heartbeat().free_memory_bytes(), 0);
  EXPECT_FALSE(messages[0].heartbeat().has_free_disk_bytes());
  EXPECT_THAT(session_.Poll(), IsEmpty());
}

TEST_F(SessionTest, SendsEachEventOnceAsTheJournalGrows) {
  OpenWithBuild("a");
  Log("a", 2);
  EXPECT_THAT(SentSequences(), ElementsAre(1, 2));
  EXPECT_THAT(SentSequences(), IsEmpty());
  Log("a", 1);
  EXPECT_THAT(SentSequences(), ElementsAre(3));
}

TEST_F(SessionTest, BatchesStayBelowOneMiB) {
  OpenWithBuild("a");
  Log("a", 40, 60'000);
  size_t batches = 0;
  for (auto messages = session_.Poll(); !messages.empty(); messages = session_.Poll()) {
    for (const auto& message : messages) {
      ++batches;
      EXPECT_LE(message.ByteSizeLong(), size_t{1} << 20);
      EXPECT_EQ(message.event_batch().lease_id(), "lease-a");
    }
  }
  EXPECT_EQ(batches, 3u);
}

TEST_F(SessionTest, HoldsBackWhatTheMasterDoesNotStore) {
  OpenWithBuild("a");
  Log("a", 400, 60'000);
  const size_t sent = SentSequences().size();
  EXPECT_LT(sent, 400u);
  session_.Receive(Ack("a", static_cast<int64_t>(sent)));
  EXPECT_EQ(SentSequences().front(), static_cast<int64_t>(sent) + 1);
}

TEST_F(SessionTest, LowerAckAsksForTheEventsAgain) {
  OpenWithBuild("a");
  Log("a", 5);
  SentSequences();
  session_.Receive(Ack("a", 4));
  session_.Receive(Ack("a", 2));
  EXPECT_THAT(SentSequences(), ElementsAre(3, 4, 5));
}

TEST_F(SessionTest, JournalGoesWhenTheEndIsAcknowledged) {
  OpenWithBuild("a");
  Log("a", 1);
  Finish("a");
  EXPECT_THAT(SentSequences(), ElementsAre(1, 2));
  session_.Receive(Ack("a", 1));
  EXPECT_NE(journals_->Find("a"), nullptr);
  session_.Receive(Ack("a", 2));
  EXPECT_EQ(journals_->Find("a"), nullptr);
}

TEST_F(SessionTest, ReconnectGoesOnAfterWhatTheMasterHas) {
  OpenWithBuild("a");
  Log("a", 4);
  SentSequences();
  session_.Close();
  Log("a", 1);
  const auto hello = session_.Open();
  ASSERT_EQ(hello.register_().held_builds_size(), 1);
  EXPECT_EQ(hello.register_().held_builds(0).lease_id(), "lease-a");
  EXPECT_EQ(hello.register_().held_builds(0).last_sequence(), 5);
  EXPECT_TRUE(hello.register_().held_builds(0).running());
  session_.Receive(Verdict("a", v1::HeldBuildVerdict::ACTION_CONTINUE, 3));
  EXPECT_THAT(SentSequences(), ElementsAre(4, 5));
}

TEST_F(SessionTest, ReconnectForgetsWhatTheMasterDiscards) {
  OpenWithBuild("a");
  session_.Open();
  session_.Receive(Verdict("a", v1::HeldBuildVerdict::ACTION_DISCARD));
  EXPECT_THAT(holder_.discarded, ElementsAre("lease-a"));
  EXPECT_EQ(journals_->Find("a"), nullptr);
}

TEST_F(SessionTest, ReconnectForgetsWhatTheMasterHasWhole) {
  OpenWithBuild("a");
  Finish("a");
  session_.Open();
  session_.Receive(Verdict("a", v1::HeldBuildVerdict::ACTION_CONTINUE, 1));
  EXPECT_EQ(journals_->Find("a"), nullptr);
}

TEST_F(SessionTest, LeaseThatIsNotRenewedRunsOut) {
  OpenWithBuild("a");
  clock_.Advance(absl::Seconds(59));
  v1::AttachResponse renewal;
  renewal.mutable_lease_renewal()->set_lease_id("lease-a");
  *renewal.mutable_lease_renewal()->mutable_expires_in() = ToProto(absl::Seconds(60));
  session_.Receive(renewal);
  clock_.Advance(absl::Seconds(59));
  session_.Poll();
  EXPECT_THAT(holder_.discarded, IsEmpty());
  clock_.Advance(absl::Seconds(2));
  session_.Poll();
  EXPECT_THAT(holder_.discarded, ElementsAre("lease-a"));
}

TEST_F(SessionTest, LeaseDoesNotRunOutWhileTheMasterIsAway) {
  OpenWithBuild("a");
  session_.Close();
  clock_.Advance(absl::Hours(10));
  session_.Poll();
  EXPECT_THAT(holder_.discarded, IsEmpty());
  EXPECT_THAT(holder_.ended, IsEmpty());
}

TEST_F(SessionTest, BuildEndsWithoutMasterAsItsRequestSays) {
  request_.mutable_without_master()->mutable_go_on_for()->set_seconds(30);
  request_.mutable_without_master()->set_afterwards(v1::WithoutMaster::AFTERWARDS_STOP);
  OpenWithBuild("a");
  session_.Close();
  clock_.Advance(absl::Seconds(29));
  session_.Poll();
  EXPECT_THAT(holder_.ended, IsEmpty());
  clock_.Advance(absl::Seconds(2));
  session_.Poll();
  EXPECT_THAT(holder_.ended,
              ElementsAre(std::pair<std::string, v1::Outcome>("lease-a", v1::OUTCOME_INFRASTRUCTURE_ERROR)));
}

TEST_F(SessionTest, CancelReachesTheBuild) {
  OpenWithBuild("a");
  v1::AttachResponse cancel;
  cancel.mutable_cancel()->set_build_id("a");
  cancel.mutable_cancel()->set_lease_id("lease-a");
  session_.Receive(cancel);
  EXPECT_THAT(holder_.ended,
              ElementsAre(std::pair<std::string, v1::Outcome>("lease-a", v1::OUTCOME_CANCELLED)));
}

TEST_F(SessionTest, DrainingAndResumingAreToldOnceEach) {
  session_.Open();
  session_.Receive(Welcome());
  session_.Poll();
  drain_.Start(Drain::By::kOperator, "new disk");
  auto messages = session_.Poll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].draining().reason(), "new disk");
  EXPECT_FALSE(messages[0].draining().resumed());
  EXPECT_THAT(session_.Poll(), IsEmpty());
  drain_.Undo(Drain::By::kOperator);
  messages = session_.Poll();
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_TRUE(messages[0].draining().resumed());
}

TEST_F(SessionTest, MastersDrainIsItsOwnToUndo) {
  session_.Open();
  session_.Receive(Welcome());
  v1::AttachResponse message;
  message.mutable_drain()->set_reason("kernel");
  session_.Receive(message);
  EXPECT_EQ(drain_.reason(), "kernel");
  EXPECT_FALSE(drain_.own_reason());
  message.mutable_drain()->set_resume(true);
  session_.Receive(message);
  EXPECT_FALSE(drain_.reason());
}

TEST_F(SessionTest, NothingIsSentAfterGoodbye) {
  OpenWithBuild("a");
  Log("a", 1);
  v1::AttachResponse message;
  message.mutable_goodbye()->set_reason("taken over");
  session_.Receive(message);
  EXPECT_THAT(session_.Poll(), IsEmpty());
  ASSERT_TRUE(session_.goodbye());
  EXPECT_FALSE(session_.goodbye()->reconnect());
}

}  // namespace
}  // namespace rootwright
