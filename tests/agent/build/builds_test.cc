#include "agent/build/builds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/file.h"
#include "base/sha256.h"
#include "tests/agent/build/fake_routine.h"

namespace rootwright {
namespace {

using testing::HasSubstr;

class BuildsTest : public testing::Test {
 protected:
  static v1::Lease LeaseOf(const std::string& id, int attempt = 1) {
    v1::Lease lease;
    lease.set_build_id(id);
    lease.set_attempt(attempt);
    lease.set_lease_id(id + "/" + std::to_string(attempt));
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
  // Its files are gone, too.
  void WaitUntilThereIsRoom() {
    for (;;) {
      const uint64_t rings = doorbell_.rings();
      if (builds_.room().free_slots == 1) return;
      doorbell_.Wait(rings, Deadline::Never(), {});
    }
  }
  void WaitUntilForgotten(const std::string& build_id) {
    for (;;) {
      const uint64_t rings = doorbell_.rings();
      if (journals_->Find(build_id) == nullptr) return;
      doorbell_.Wait(rings, Deadline::Never(), {});
    }
  }
  void Hang() {
    fake_.Do("run_command",
             [](StepContext& context) -> absl::StatusOr<StepResult> { return WaitForStop(context.stop); });
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "builds-");
  const StatePaths paths_{folder_.path()};
  Doorbell doorbell_;
  std::unique_ptr<Journals> journals_ = *Journals::Open(paths_, doorbell_);
  Drain drain_{doorbell_};
  std::atomic<int64_t> free_disk_{int64_t{100} << 30};
  Slots slots_{{1, int64_t{4} << 30, [this]() -> absl::StatusOr<int64_t> { return free_disk_.load(); }}};
  FakeBuild fake_;
  FakeRoutines routines_{fake_};
  FakePublisher publisher_;
  absl::Status health_;
  Builds builds_{
      *journals_,
      slots_,
      drain_,
      paths_,
      {.targets = {Architecture::kArm64}},
      {routines_, publisher_, Clock::Real(), {}},
      doorbell_,
      [this](Isolation isolation) { return isolation == Isolation::kMachine ? health_ : absl::OkStatus(); }};
};

TEST_F(BuildsTest, TakesALeaseOnceHoweverOftenItComes) {
  Hang();
  EXPECT_TRUE(builds_.Take(LeaseOf("a")).ok());
  EXPECT_TRUE(builds_.Take(LeaseOf("a")).ok());
  EXPECT_EQ(builds_.running(), 1);
  EXPECT_EQ(builds_.room().free_slots, 0);
}

TEST_F(BuildsTest, RefusesWithFiguresWhatTheHostCannotCarry) {
  free_disk_ = 200 << 20;
  const absl::Status disk = builds_.Take(LeaseOf("a"));
  EXPECT_TRUE(absl::IsResourceExhausted(disk));
  EXPECT_THAT(std::string(disk.message()), HasSubstr("200.0 MiB free in the work folder, 8.0 GiB asked"));
  free_disk_ = int64_t{100} << 30;
  auto big = LeaseOf("a");
  big.mutable_request()->mutable_limits()->set_memory_bytes(int64_t{8} << 30);
  EXPECT_THAT(std::string(builds_.Take(big).message()),
              HasSubstr("memory: 4.0 GiB of 4.0 GiB free, 8.0 GiB asked"));
  Hang();
  ASSERT_TRUE(builds_.Take(LeaseOf("a")).ok());
  EXPECT_THAT(std::string(builds_.Take(LeaseOf("b")).message()), HasSubstr("slots: all 1 taken"));
}

TEST_F(BuildsTest, RefusesWhileDrained) {
  drain_.Start(Drain::By::kOperator, "new disk");
  EXPECT_THAT(std::string(builds_.Take(LeaseOf("a")).message()), HasSubstr("new disk"));
  drain_.Undo(Drain::By::kOperator);
  EXPECT_TRUE(builds_.Take(LeaseOf("a")).ok());
}

TEST_F(BuildsTest, RefusesWhileTheHostIsNotWell) {
  health_ = absl::InternalError("libvirt: away");
  const absl::Status refused = builds_.Take(LeaseOf("a"));
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("libvirt: away"));
  EXPECT_EQ(journals_->Find("a"), nullptr);
  health_ = absl::OkStatus();
  EXPECT_TRUE(builds_.Take(LeaseOf("a")).ok());
}

TEST_F(BuildsTest, RefusesWhatTheHostDoesNotBuildAnyMore) {
  builds_.SetTargets({});
  EXPECT_TRUE(absl::IsFailedPrecondition(builds_.Take(LeaseOf("a"))));
  builds_.SetTargets({Architecture::kArm64});
  EXPECT_TRUE(builds_.Take(LeaseOf("a")).ok());
}

TEST_F(BuildsTest, RefusesAnAttemptWhileAnEarlierOneIsStillEnding) {
  Hang();
  ASSERT_TRUE(builds_.Take(LeaseOf("a", 1)).ok());
  EXPECT_TRUE(absl::IsAborted(builds_.Take(LeaseOf("a", 2))));
}

TEST_F(BuildsTest, EndedBuildGivesItsSlotBackAndKeepsItsJournal) {
  ASSERT_TRUE(builds_.Take(LeaseOf("a")).ok());
  WaitUntilThereIsRoom();
  EXPECT_FALSE(std::filesystem::exists(paths_.work("a", 1)));
  ASSERT_NE(journals_->Find("a"), nullptr);
  EXPECT_TRUE(journals_->Find("a")->finished());
}

TEST_F(BuildsTest, DiscardedBuildIsEndedAndForgotten) {
  Hang();
  ASSERT_TRUE(builds_.Take(LeaseOf("a")).ok());
  builds_.Discard("a/1");
  WaitUntilForgotten("a");
  EXPECT_FALSE(std::filesystem::exists(paths_.build("a", 1)));
}

TEST_F(BuildsTest, OperatorCancelsByPrefix) {
  Hang();
  ASSERT_TRUE(builds_.Take(LeaseOf("7f3a")).ok());
  EXPECT_TRUE(absl::IsNotFound(builds_.CancelBuild("9", "")));
  EXPECT_TRUE(builds_.CancelBuild("7f", "").ok());
  WaitUntilEnded("7f3a/1");
  EXPECT_TRUE(absl::IsNotFound(builds_.CancelBuild("7f", "")));
}

TEST_F(BuildsTest, BuildOfAnEarlierLifeIsFinishedAsTheAgentsFault) {
  const auto journal = *journals_->Create(LeaseOf("a"));
  v1::BuildEvent event;
  event.mutable_step_started()->set_step("run_command");
  ASSERT_TRUE(journal->Append(event).ok());
  event.mutable_log_chunk()->set_step("run_command");
  event.mutable_log_chunk()->set_data("cut off");
  ASSERT_TRUE(journal->Append(event).ok());
  Builds::FinishAbandoned(*journals_, Clock::Real());
  ASSERT_TRUE(journal->finished());
  EventCursor cursor;
  google::protobuf::RepeatedPtrField<v1::BuildEvent> events;
  ASSERT_TRUE(journal->Read(2, 1 << 20, cursor, &events).ok());
  const auto& error = events[0].build_finished().infrastructure_error();
  EXPECT_EQ(error.code(), v1::INFRASTRUCTURE_ERROR_CODE_AGENT);
  EXPECT_TRUE(error.transient());
  // The master compares them with what it has.
  EXPECT_EQ(events[0].build_finished().logs().at("run_command").sha256(), Sha256::Of("cut off"));
}

// As BuildsTest, with time that the test moves and builds that fail.
class KeptBuildsTest : public testing::Test {
 protected:
  KeptBuildsTest() {
    fake_.Do("run_command",
             [](StepContext&) -> absl::StatusOr<StepResult> { return StepResult::Failed("no"); });
  }
  void Take(int keep_seconds) {
    lease_.set_build_id("a");
    lease_.set_attempt(1);
    lease_.set_lease_id("a/1");
    lease_.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
    lease_.mutable_request()->mutable_command()->add_argv("true");
    if (keep_seconds > 0) lease_.mutable_request()->mutable_keep_failed()->set_seconds(keep_seconds);
    taken_ = builds_->Take(lease_);
  }
  void Wait(const std::function<bool()>& done) {
    for (;;) {
      const uint64_t rings = doorbell_.rings();
      if (done()) return;
      doorbell_.Wait(rings, Deadline::Never(), {});
    }
  }
  void WaitUntilEnded() {
    Wait([this] { return !builds_->IsRunning("a/1"); });
  }
  void WaitUntilThereIsRoom() {
    Wait([this] { return builds_->room().free_slots == 1; });
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "kept-");
  const StatePaths paths_{folder_.path()};
  Doorbell doorbell_;
  std::unique_ptr<Journals> journals_ = *Journals::Open(paths_, doorbell_);
  Drain drain_{doorbell_};
  Slots slots_{{1, int64_t{4} << 30, []() -> absl::StatusOr<int64_t> { return int64_t{100} << 30; }}};
  FakeBuild fake_;
  FakeRoutines routines_{fake_};
  FakePublisher publisher_;
  FakeClock clock_;
  v1::Lease lease_;
  absl::Status taken_;
  std::unique_ptr<Builds> builds_ = std::make_unique<Builds>(
      *journals_, slots_, drain_, paths_,
      BuildPolicy{.targets = {Architecture::kArm64}, .maximum_keep_failed = absl::Hours(1)},
      Build::Host{routines_, publisher_, clock_, {}}, doorbell_, [](Isolation) { return absl::OkStatus(); });
};

TEST_F(KeptBuildsTest, AFailedEnvironmentIsKeptInItsSlotAndGoesAtItsTime) {
  Take(600);
  WaitUntilEnded();
  ASSERT_EQ(builds_->kept().size(), 1u);
  EXPECT_EQ(builds_->kept()[0].build_id, "a");
  EXPECT_EQ(builds_->kept()[0].until, clock_.Wall() + absl::Seconds(600));
  EXPECT_EQ(builds_->running(), 0);
  EXPECT_EQ(builds_->room().free_slots, 0);
  EXPECT_EQ(fake_.environment_ended, 0);
  EXPECT_EQ(builds_->List()[0].step(), "its environment is kept");
  clock_.Advance(absl::Seconds(599));
  EXPECT_EQ(builds_->kept().size(), 1u);
  clock_.Advance(absl::Seconds(1));
  WaitUntilThereIsRoom();
  EXPECT_EQ(fake_.environment_ended, 1);
  EXPECT_TRUE(builds_->kept().empty());
}

TEST_F(KeptBuildsTest, TheEndTellsHowLong) {
  Take(600);
  WaitUntilEnded();
  google::protobuf::RepeatedPtrField<v1::BuildEvent> events;
  EventCursor cursor;
  ASSERT_TRUE(journals_->Find("a")->Read(0, 1 << 20, cursor, &events).ok());
  EXPECT_EQ(events.rbegin()->build_finished().kept_until().seconds(),
            absl::ToUnixSeconds(clock_.Wall() + absl::Seconds(600)));
}

TEST_F(KeptBuildsTest, IsReleasedWhenAsked) {
  Take(600);
  WaitUntilEnded();
  builds_->ReleaseKept("b");
  EXPECT_EQ(builds_->kept().size(), 1u);
  builds_->ReleaseKept("a");
  WaitUntilThereIsRoom();
  EXPECT_EQ(fake_.environment_ended, 1);
}

TEST_F(KeptBuildsTest, GoesWhenTheOperatorCancelsIt) {
  Take(600);
  WaitUntilEnded();
  EXPECT_TRUE(builds_->CancelBuild("a", "").ok());
  WaitUntilThereIsRoom();
}

TEST_F(KeptBuildsTest, GoesWhenTheAgentDrains) {
  Take(600);
  WaitUntilEnded();
  drain_.Start(Drain::By::kOperator, "new disk");
  WaitUntilThereIsRoom();
}

TEST_F(KeptBuildsTest, GoesWithTheAgent) {
  Take(600);
  WaitUntilEnded();
  builds_.reset();
  EXPECT_EQ(fake_.environment_ended, 1);
  EXPECT_EQ(slots_.free(), 1);
}

TEST_F(KeptBuildsTest, OneThatWentWellOrWasCancelledIsNotKept) {
  fake_.Do("run_command", [](StepContext&) { return StepResult(); });
  Take(600);
  WaitUntilThereIsRoom();
  EXPECT_EQ(fake_.environment_ended, 1);
  EXPECT_TRUE(builds_->kept().empty());
}

TEST_F(KeptBuildsTest, NothingIsKeptThatWasNotAskedFor) {
  Take(0);
  WaitUntilThereIsRoom();
  EXPECT_EQ(fake_.environment_ended, 1);
}

TEST_F(KeptBuildsTest, MoreThanTheHostAllowsIsForAnotherHost) {
  Take(3601);
  EXPECT_TRUE(absl::IsFailedPrecondition(taken_));
  EXPECT_THAT(taken_.ToString(), HasSubstr("at most 1h"));
}

}  // namespace
}  // namespace rootwright
