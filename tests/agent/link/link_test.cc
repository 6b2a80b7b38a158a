#include "agent/link/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "agent/build/builds.h"
#include "base/file.h"
#include "tests/agent/build/fake_routine.h"

namespace rootwright {
namespace {

// A master that welcomes, offers one lease, acknowledges what it gets, and breaks the first `broken`
// conversations after the first event.
class FakeMaster : public Dialer {
 public:
  struct Stream : Conversation {
    Stream(FakeMaster& of, Inbox& to) : master(of), inbox(to) {}
    bool Send(const v1::AttachRequest& message) override { return master.Take(message, inbox); }
    FakeMaster& master;
    Inbox& inbox;
  };
  std::unique_ptr<Conversation> Dial(Inbox& inbox) override { return std::make_unique<Stream>(*this, inbox); }

  bool Take(const v1::AttachRequest& message, Inbox& inbox) {
    v1::AttachResponse answer;
    if (message.has_register_()) {
      ++registered;
      capabilities = message.register_().capabilities();
      answer.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(3600);
      for (const auto& held : message.register_().held_builds()) {
        auto* verdict = answer.mutable_welcome()->add_held_builds();
        verdict->set_build_id(held.build_id());
        verdict->set_action(v1::HeldBuildVerdict::ACTION_CONTINUE);
        verdict->set_acknowledged_sequence(stored);
      }
      inbox.Put(answer);
      if (registered == 1) {
        answer.Clear();
        *answer.mutable_lease() = lease;
        inbox.Put(answer);
      }
      return true;
    }
    if (!message.has_event_batch()) return true;
    for (const auto& event : message.event_batch().events()) {
      if (event.sequence() == stored + 1) ++stored;
      finished |= event.has_build_finished();
      if (on_event && registered == 1) {
        on_event();
        return true;
      }
      if (broken > 0) {
        --broken;
        inbox.Close(absl::UnavailableError("cut"));
        return false;
      }
    }
    answer.mutable_event_ack()->set_build_id(lease.build_id());
    answer.mutable_event_ack()->set_sequence(stored);
    inbox.Put(answer);
    if (finished) {
      answer.Clear();
      answer.mutable_goodbye()->set_reason("enough");
      inbox.Put(answer);
    }
    return true;
  }

  v1::Lease lease;
  // Called at the first event of the first conversation, which then stores nothing more.
  std::function<void()> on_event;
  v1::Capabilities capabilities;
  int broken = 0;
  int registered = 0;
  int64_t stored = 0;
  bool finished = false;
};

class LinkTest : public testing::Test {
 protected:
  LinkTest() {
    master_.lease.set_build_id("a");
    master_.lease.set_attempt(1);
    master_.lease.set_lease_id("lease");
    master_.lease.mutable_expires_in()->set_seconds(3600);
    master_.lease.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
    master_.lease.mutable_request()->mutable_command()->add_argv("true");
    fake_.Do("run_command", [](StepContext& context) {
      for (int i = 0; i < 100; ++i) context.reporter.Log(OutputStream::kStdout, "line\n");
      return StepResult();
    });
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "link-");
  const StatePaths paths_{folder_.path()};
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
  struct NoShells : ShellServer {
    void Serve(const v1::OpenShell&) override {}
  } shells_;
  std::atomic<int> offered_slots_{1};
  Session session_{{"builder-1", std::string(32, 'a'), "0.1.0",
                    [this] {
                      v1::Capabilities capabilities;
                      capabilities.set_slots(offered_slots_);
                      return capabilities;
                    }},
                   *journals_,
                   builds_,
                   drain_,
                   shells_,
                   Clock::Real()};
  FakeMaster master_;
  std::vector<bool> linked_;
  Link link_{session_,
             master_,
             doorbell_,
             Clock::Real(),
             Backoff(absl::Milliseconds(1), absl::Milliseconds(1), 1),
             [this](bool linked) { linked_.push_back(linked); }};
};

TEST_F(LinkTest, WholeBuildReachesTheMasterAndIsForgotten) {
  EXPECT_TRUE(absl::IsAborted(link_.Run({})));
  EXPECT_TRUE(master_.finished);
  EXPECT_EQ(master_.registered, 1);
  EXPECT_EQ(journals_->Find("a"), nullptr);
  EXPECT_THAT(linked_, testing::ElementsAre(true, false));
}

TEST_F(LinkTest, DialsAgainWithWhatTheHostOffersNowAndBuildsGoOn) {
  master_.on_event = [this] {
    offered_slots_ = 2;
    link_.Redial();
  };
  EXPECT_TRUE(absl::IsAborted(link_.Run({})));
  EXPECT_EQ(master_.registered, 2);
  EXPECT_EQ(master_.capabilities.slots(), 2);
  EXPECT_TRUE(master_.finished);
  EXPECT_EQ(journals_->Find("a"), nullptr);
}

TEST_F(LinkTest, NothingIsLostWhenTheConnectionBreaks) {
  master_.broken = 3;
  EXPECT_TRUE(absl::IsAborted(link_.Run({})));
  EXPECT_TRUE(master_.finished);
  EXPECT_EQ(master_.registered, 4);
  EXPECT_EQ(journals_->Find("a"), nullptr);
}

TEST_F(LinkTest, StopEndsIt) {
  fake_.Do("run_command",
           [](StepContext& context) -> absl::StatusOr<StepResult> { return WaitForStop(context.stop); });
  std::jthread link([this](std::stop_token stop) { EXPECT_TRUE(link_.Run(stop).ok()); });
  uint64_t rings = 0;
  while (builds_.running() == 0) rings = doorbell_.Wait(rings, Deadline::Never(), {});
}

}  // namespace
}  // namespace rootwright
