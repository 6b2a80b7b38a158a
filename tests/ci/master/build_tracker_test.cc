#include "ci/master/build_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright::master {
namespace {

using Effect = BuildTracker::Effect;

v1::Build Leased() {
  v1::Build build;
  build.set_id("0123abcd");
  build.set_attempt(1);
  build.set_state(v1::BUILD_STATE_LEASED);
  return build;
}

v1::BuildEvent Event(int64_t sequence) {
  v1::BuildEvent event;
  event.set_sequence(sequence);
  event.set_attempt(1);
  return event;
}

v1::BuildEvent Started(int64_t sequence, const std::string& step) {
  v1::BuildEvent event = Event(sequence);
  event.mutable_step_started()->set_step(step);
  return event;
}

v1::BuildEvent Log(int64_t sequence, const std::string& step, int64_t offset, const std::string& data) {
  v1::BuildEvent event = Event(sequence);
  event.mutable_log_chunk()->set_step(step);
  event.mutable_log_chunk()->set_offset(offset);
  event.mutable_log_chunk()->set_data(data);
  return event;
}

v1::BuildEvent Finished(int64_t sequence, const std::string& step, const std::string& log) {
  v1::BuildEvent event = Event(sequence);
  event.mutable_step_finished()->set_step(step);
  event.mutable_step_finished()->set_state(v1::STEP_STATE_SUCCEEDED);
  event.mutable_step_finished()->mutable_log()->set_size_bytes(static_cast<int64_t>(log.size()));
  event.mutable_step_finished()->mutable_log()->set_sha256(Sha256::Of(log));
  return event;
}

TEST(BuildTracker, DuplicatesAndGapsChangeNothing) {
  BuildTracker tracker(Leased());
  EXPECT_EQ(*tracker.Apply(Started(1, "run")), Effect::kBuildChanged);
  EXPECT_EQ(*tracker.Apply(Started(1, "run")), Effect::kDuplicate);
  EXPECT_EQ(*tracker.Apply(Log(3, "run", 0, "x")), Effect::kGap);
  EXPECT_EQ(tracker.position(), (EventPosition{1, 1}));
}

TEST(BuildTracker, StatesOnlyGoForward) {
  BuildTracker tracker(Leased());
  v1::BuildEvent running = Event(1), preparing = Event(2), queued = Event(3);
  running.mutable_state_changed()->set_state(v1::BUILD_STATE_RUNNING);
  preparing.mutable_state_changed()->set_state(v1::BUILD_STATE_PREPARING);
  queued.mutable_state_changed()->set_state(v1::BUILD_STATE_FINISHED);
  for (const auto& event : {running, preparing, queued}) ASSERT_TRUE(tracker.Apply(event).ok());
  EXPECT_EQ(tracker.build().state(), v1::BUILD_STATE_RUNNING);
}

TEST(BuildTracker, WrongDigestRewindsToTheStartOfTheStep) {
  BuildTracker tracker(Leased());
  ASSERT_TRUE(tracker.Apply(Started(1, "first")).ok());
  ASSERT_TRUE(tracker.Apply(Finished(2, "first", "")).ok());
  ASSERT_TRUE(tracker.Apply(Started(3, "second")).ok());
  ASSERT_TRUE(tracker.Apply(Log(4, "second", 0, "wrong")).ok());
  EXPECT_EQ(*tracker.Apply(Finished(5, "second", "right")), Effect::kRewound);
  EXPECT_EQ(tracker.position(), (EventPosition{1, 2}));
  ASSERT_EQ(tracker.build().steps_size(), 1);
  EXPECT_EQ(tracker.build().steps(0).name(), "first");
  EXPECT_EQ(tracker.emptied_logs(), (std::vector<LogKey>{{"0123abcd", 1, "second"}}));
}

TEST(BuildTracker, RewindTakesStepsThatOverlapWhole) {
  BuildTracker tracker(Leased());
  ASSERT_TRUE(tracker.Apply(Started(1, "outer")).ok());
  ASSERT_TRUE(tracker.Apply(Started(2, "inner")).ok());
  ASSERT_TRUE(tracker.Apply(Log(3, "outer", 0, "late")).ok());
  EXPECT_EQ(*tracker.Apply(Finished(4, "inner", "never said")), Effect::kRewound);
  EXPECT_EQ(tracker.position(), (EventPosition{1, 0}));
}

TEST(BuildTracker, GivesUpWhenALogNeverAgrees) {
  BuildTracker tracker(Leased());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(tracker.Apply(Started(1, "run")).ok());
    EXPECT_EQ(*tracker.Apply(Finished(2, "run", "never said")), Effect::kRewound);
  }
  ASSERT_TRUE(tracker.Apply(Started(1, "run")).ok());
  EXPECT_EQ(tracker.Apply(Finished(2, "run", "never said")).status().code(), absl::StatusCode::kDataLoss);
}

TEST(BuildTracker, RefusesWhatBreaksTheContract) {
  BuildTracker tracker(Leased());
  EXPECT_FALSE(tracker.Apply(Started(1, "../escape")).ok());
  EXPECT_FALSE(tracker.Apply(Log(1, "unknown", 0, "x")).ok());
  ASSERT_TRUE(tracker.Apply(Started(1, "run")).ok());
  EXPECT_FALSE(tracker.Apply(Log(2, "run", 7, "x")).ok());
  EXPECT_FALSE(tracker.Apply(Log(2, "run", 0, std::string((64 << 10) + 1, 'x'))).ok());
  v1::BuildEvent other = Started(2, "next");
  other.set_attempt(2);
  EXPECT_FALSE(tracker.Apply(other).ok());
}

TEST(BuildTracker, EndOfBuildMustNameEveryLog) {
  BuildTracker tracker(Leased());
  ASSERT_TRUE(tracker.Apply(Started(1, "run")).ok());
  ASSERT_TRUE(tracker.Apply(Log(2, "run", 0, "x")).ok());
  v1::BuildEvent end = Event(3);
  end.mutable_build_finished()->set_outcome(v1::OUTCOME_SUCCEEDED);
  EXPECT_FALSE(tracker.Apply(end).ok());
}

}  // namespace
}  // namespace rootwright::master
