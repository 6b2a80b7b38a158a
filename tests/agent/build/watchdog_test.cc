#include "agent/build/watchdog.h"

#include <gtest/gtest.h>

#include "agent/journal/journals.h"
#include "base/file.h"
#include "tests/agent/build/fake_routine.h"

namespace rootwright {
namespace {

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() {
    writer_.StartStep("run_command", 1, 1, Place::kEnvironment);
    watchdog_.SetEnvironment(&environment_);
    watchdog_.SetStepPlace(Place::kEnvironment);
  }
  static v1::Lease LeaseOfIt() {
    v1::Lease lease;
    lease.set_build_id("a");
    lease.set_attempt(1);
    return lease;
  }
  // Looks once a second for a while, using that much CPU in each.
  void Pass(int seconds, absl::Duration cpu) {
    for (int i = 0; i < seconds; ++i) {
      clock_.Advance(absl::Seconds(1));
      environment_.UseCpu(cpu);
      watchdog_.Look();
    }
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "watchdog-");
  Doorbell doorbell_;
  std::unique_ptr<Journals> journals_ = *Journals::Open(StatePaths(folder_.path()), doorbell_);
  std::shared_ptr<BuildJournal> journal_ = *journals_->Create(LeaseOfIt());
  FakeClock clock_;
  FakeEnvironment environment_;
  EventWriter writer_{*journal_, clock_, 1 << 20, nullptr};
  absl::StatusOr<int64_t> disk_used_ = 0;
  int disk_looks_ = 0;
  Watchdog watchdog_{BuildLimits{.silence = absl::Seconds(60), .disk_bytes = 1000}, WatchdogSettings{},
                     clock_, writer_, [this] {
                       ++disk_looks_;
                       return disk_used_;
                     }};
};

TEST_F(WatchdogTest, BusyEnvironmentIsNotSilent) {
  Pass(600, absl::Milliseconds(500));
  EXPECT_FALSE(watchdog_.ending());
}

TEST_F(WatchdogTest, IdleKernelCountsAsSilent) {
  Pass(59, absl::Milliseconds(20));
  EXPECT_FALSE(watchdog_.ending());
  Pass(2, absl::Milliseconds(20));
  ASSERT_TRUE(watchdog_.ending());
  EXPECT_EQ(watchdog_.ending()->outcome, v1::OUTCOME_TIMED_OUT);
}

TEST_F(WatchdogTest, OutputBreaksTheSilence) {
  Pass(50, absl::ZeroDuration());
  writer_.Log(OutputStream::kStdout, ".");
  Pass(50, absl::ZeroDuration());
  EXPECT_FALSE(watchdog_.ending());
}

TEST_F(WatchdogTest, TimedOutCommandGetsAMomentForItsLastWords) {
  watchdog_.End(TimedOut("wall limit"));
  Pass(7, absl::ZeroDuration());
  EXPECT_FALSE(environment_.killed());
  Pass(1, absl::ZeroDuration());
  EXPECT_TRUE(environment_.killed());
}

TEST_F(WatchdogTest, EnvironmentOfACancelledBuildIsKilledAtTheNextLook) {
  watchdog_.End(Cancelled("by me"));
  watchdog_.Look();
  EXPECT_TRUE(environment_.killed());
}

TEST_F(WatchdogTest, StepsOnTheHostMayBeSilent) {
  watchdog_.SetStepPlace(Place::kHost);
  Pass(600, absl::ZeroDuration());
  EXPECT_FALSE(watchdog_.ending());
}

TEST_F(WatchdogTest, BuildThatFillsTooMuchDiskFails) {
  disk_used_ = 1000;
  Pass(10, absl::Seconds(1));
  EXPECT_FALSE(watchdog_.ending());
  disk_used_ = 1001;
  Pass(2, absl::Seconds(1));
  ASSERT_TRUE(watchdog_.ending());
  EXPECT_EQ(watchdog_.ending()->outcome, v1::OUTCOME_FAILED);
  EXPECT_EQ(watchdog_.ending()->reason,
            "disk limit of 1000 B reached in run_command: the build's files on the host take 1001 B");
}

TEST_F(WatchdogTest, DiskIsLookedAtEveryOtherSecondAndMayBeUnknown) {
  disk_used_ = absl::NotFoundError("not there yet");
  Pass(10, absl::Seconds(1));
  EXPECT_EQ(disk_looks_, 5);
  EXPECT_FALSE(watchdog_.ending());
}

TEST_F(WatchdogTest, WallLimitStartsAnewForTheNextPhase) {
  Watchdog watchdog(BuildLimits{.wall = absl::Seconds(60)}, WatchdogSettings{}, clock_, writer_);
  watchdog.StartWallLimit();
  clock_.Advance(absl::Seconds(50));
  watchdog.StartWallLimit();
  clock_.Advance(absl::Seconds(50));
  watchdog.Look();
  EXPECT_FALSE(watchdog.ending());
  clock_.Advance(absl::Seconds(11));
  watchdog.Look();
  ASSERT_TRUE(watchdog.ending());
  EXPECT_EQ(watchdog.ending()->outcome, v1::OUTCOME_TIMED_OUT);
}

}  // namespace
}  // namespace rootwright
