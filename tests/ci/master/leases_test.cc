#include "ci/master/leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ci/master/fake_clock.h"

namespace rootwright::master {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LeaseTimes, RefusesLeaseNotLongerThanSessionTimeoutWithBothFigures) {
  const auto times = LeaseTimes::Create(absl::Seconds(5), absl::Seconds(20), absl::Seconds(20));
  EXPECT_EQ(times.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(times.status().message()), HasSubstr("lease of 20s"));
  EXPECT_THAT(std::string(times.status().message()), HasSubstr("session timeout of 20s"));
}

TEST(LeaseTimes, RefusesSessionTimeoutShorterThanTwoHeartbeats) {
  EXPECT_FALSE(LeaseTimes::Create(absl::Seconds(15), absl::Seconds(20), absl::Seconds(60)).ok());
}

TEST(LeaseTimes, WaitGrowsWithTheAttempt) {
  const auto times = LeaseTimes::Create(absl::Seconds(5), absl::Seconds(20), absl::Seconds(60));
  EXPECT_EQ(times->WaitBefore(1), absl::ZeroDuration());
  EXPECT_EQ(times->WaitBefore(2), absl::Seconds(5));
  EXPECT_EQ(times->WaitBefore(3), absl::Seconds(30));
}

TEST(Leases, ExpireOnlyWhenNotRenewed) {
  FakeClock clock;
  Leases leases(absl::Seconds(60));
  const std::string kept = leases.Grant("aaaa", "one", 1, clock.Now()).id;
  const std::string lost = leases.Grant("bbbb", "two", 1, clock.Now()).id;
  clock.Advance(absl::Seconds(50));
  EXPECT_TRUE(leases.Renew(kept, clock.Now()));
  clock.Advance(absl::Seconds(10));
  EXPECT_THAT(leases.Expired(clock.Now()), ElementsAre(lost));
  leases.End(lost);
  EXPECT_FALSE(leases.Renew(lost, clock.Now()));
  EXPECT_THAT(leases.Expired(clock.Now()), IsEmpty());
}

TEST(Leases, NeverGiveTheSameIdAgain) {
  Leases leases(absl::Seconds(60));
  const std::string first = leases.Grant("aaaa", "one", 1, Instant()).id;
  leases.End(first);
  EXPECT_NE(leases.Grant("aaaa", "one", 1, Instant()).id, first);
}

}  // namespace
}  // namespace rootwright::master
