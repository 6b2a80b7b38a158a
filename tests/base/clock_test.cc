#include "base/clock.h"

#include <gtest/gtest.h>

namespace rootwright {
namespace {

TEST(Deadline, NeverIsNotPassedAndPollsForever) {
  EXPECT_FALSE(Deadline::Never().Passed());
  EXPECT_EQ(Deadline::Never().LeftMillis(), -1);
  EXPECT_EQ(Deadline::Never().Left(), absl::InfiniteDuration());
}

TEST(Deadline, LeftIsNeverNegative) {
  const Instant now = Clock::Real().Now();
  const Deadline deadline = Deadline::In(absl::Seconds(1), now);
  EXPECT_EQ(deadline.Left(now + std::chrono::seconds(5)), absl::ZeroDuration());
  EXPECT_TRUE(deadline.Passed(now + std::chrono::seconds(1)));
}

TEST(Deadline, PollTimeIsRoundedUpSoThatItDoesNotSpin) {
  const Instant now = Clock::Real().Now();
  EXPECT_EQ(Deadline::In(absl::Microseconds(10), now).LeftMillis(now), 1);
}

TEST(Deadline, InfiniteDurationIsNever) {
  EXPECT_EQ(Deadline::In(absl::InfiniteDuration()).LeftMillis(), -1);
}

TEST(Deadline, EarlierPicksTheFirst) {
  const Instant now = Clock::Real().Now();
  const Deadline soon = Deadline::In(absl::Seconds(1), now);
  EXPECT_EQ(Earlier(Deadline::Never(), soon).instant(), soon.instant());
}

}  // namespace
}  // namespace rootwright
