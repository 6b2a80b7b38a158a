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
  Watchdog watchdog_{BuildLimits{.silence = absl::Seconds(60)}, WatchdogSettings{}, clock_, writer_};
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

}  // namespace
}  // namespace rootwright
