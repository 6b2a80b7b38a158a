#include "agent/build/build.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "agent/journal/journals.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/sha256.h"
#include "tests/agent/build/fake_routine.h"

namespace rootwright {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BuildTest : public testing::Test {
 protected:
  BuildTest() {
    lease_.set_build_id("7f3a");
    lease_.set_attempt(1);
    lease_.set_lease_id("lease");
    lease_.mutable_request()->mutable_target()->set_architecture(v1::ARCHITECTURE_ARM64);
    lease_.mutable_request()->mutable_command()->add_argv("true");
    journals_ = *Journals::Open(paths_, doorbell_);
    journal_ = *journals_->Create(lease_);
  }

  std::unique_ptr<Build> Make() {
    auto plan = PlanBuild(lease_, {.targets = {Architecture::kArm64}}, paths_.work("7f3a", 1));
    return std::make_unique<Build>(
        journal_, std::move(plan),
        Build::Host{
            routines_, publisher_, clock_, {.tick = absl::Milliseconds(1), .kill_grace = absl::Seconds(10)}});
  }
  v1::BuildFinished Run() { return Run(*Make()); }
  v1::BuildFinished Run(Build& build) {
    EXPECT_TRUE(build.Run().ok());
    EXPECT_EQ(build.state(), v1::BUILD_STATE_FINISHED) << "who follows must not wait for the files to go";
    build.RemoveFiles();
    EXPECT_FALSE(std::filesystem::exists(paths_.work("7f3a", 1)));
    const auto events = Events();
    EXPECT_TRUE(events.back().has_build_finished());
    return events.back().build_finished();
  }
  std::vector<v1::BuildEvent> Events() const {
    EventCursor cursor;
    google::protobuf::RepeatedPtrField<v1::BuildEvent> events;
    EXPECT_TRUE(journal_->Read(0, 64 << 20, cursor, &events).ok());
    return {events.begin(), events.end()};
  }
  std::vector<v1::StepFinished> FinishedSteps() const {
    std::vector<v1::StepFinished> steps;
    for (const auto& event : Events()) {
      if (event.has_step_finished()) steps.push_back(event.step_finished());
    }
    return steps;
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "build-");
  const StatePaths paths_{folder_.path()};
  Doorbell doorbell_;
  FakeClock clock_;
  FakeBuild fake_;
  FakeRoutines routines_{fake_};
  FakePublisher publisher_;
  v1::Lease lease_;
  std::unique_ptr<Journals> journals_;
  std::shared_ptr<BuildJournal> journal_;
};

TEST_F(BuildTest, SucceedsThroughAllStates) {
  fake_.artifacts = {{"a.txt", "/x", 3, std::string(64, '0'), "text/plain"}};
  EXPECT_EQ(Run().outcome(), v1::OUTCOME_SUCCEEDED);
  std::vector<v1::BuildState> states;
  std::vector<std::string> steps;
  for (const auto& event : Events()) {
    if (event.has_state_changed()) states.push_back(event.state_changed().state());
    if (event.has_step_started()) steps.push_back(event.step_started().step());
  }
  EXPECT_THAT(states,
              ElementsAre(v1::BUILD_STATE_PREPARING, v1::BUILD_STATE_RUNNING, v1::BUILD_STATE_COLLECTING));
  EXPECT_THAT(steps, ElementsAre("prepare_image", "setup_environment", "run_command", "collect_files",
                                 "upload_artifacts"));
  EXPECT_THAT(publisher_.published, ElementsAre("a.txt"));
  EXPECT_EQ(fake_.environment_ended, 1);
}

TEST_F(BuildTest, FailedCommandIsTheUsersFailureAndEndsTheSteps) {
  fake_.Do("run_command", [](StepContext&) { return StepResult::Failed("sh: exit 3", 3); });
  const auto finished = Run();
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_FAILED);
  EXPECT_EQ(finished.reason(), "run_command: sh: exit 3");
  EXPECT_FALSE(finished.has_infrastructure_error());
  const auto steps = FinishedSteps();
  EXPECT_EQ(steps.back().step(), "run_command");
  EXPECT_EQ(steps.back().reason(), "sh: exit 3");
  EXPECT_EQ(steps.back().exit_code(), 3);
  EXPECT_EQ(steps.back().state(), v1::STEP_STATE_FAILED);
  EXPECT_EQ(fake_.environment_ended, 1);
}

TEST_F(BuildTest, WhatTellsOfAFailureIsUploadedAndChangesNothingAboutIt) {
  fake_.Do("run_command", [](StepContext&) { return StepResult::Failed("sh: exit 3", 3); });
  fake_.failure_artifacts = {{"a.log", "/nowhere/a.log", 3, std::string(64, '0'), "text/plain"}};
  const auto finished = Run();
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_FAILED);
  EXPECT_EQ(finished.reason(), "run_command: sh: exit 3");
  const auto steps = FinishedSteps();
  EXPECT_EQ(steps.back().step(), "upload_artifacts");
  EXPECT_EQ(fake_.environment_ended, 1);
}

TEST_F(BuildTest, StepsThatAreStillToComeMayChangePlaces) {
  fake_.on_step_ended = [](absl::string_view ended, std::vector<std::unique_ptr<Step>>& steps) {
    if (ended == "prepare_image") std::swap(steps[1], steps[2]);
  };
  EXPECT_EQ(Run().outcome(), v1::OUTCOME_SUCCEEDED);
  std::vector<std::string> names;
  for (const auto& step : FinishedSteps()) names.push_back(step.step());
  EXPECT_EQ(names, (std::vector<std::string>{"prepare_image", "run_command", "setup_environment",
                                             "collect_files", "upload_artifacts"}));
}

TEST_F(BuildTest, ErrorStatusIsAnInfrastructureErrorOfWhoeverIsAtFault) {
  fake_.Do("setup_environment", [](StepContext&) -> absl::StatusOr<StepResult> {
    return WithFault(absl::UnavailableError("connect: libvirt: refused\nmore\nlines"), Fault::kHypervisor);
  });
  const auto finished = Run();
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_INFRASTRUCTURE_ERROR);
  EXPECT_EQ(finished.infrastructure_error().code(), v1::INFRASTRUCTURE_ERROR_CODE_HYPERVISOR);
  EXPECT_TRUE(finished.infrastructure_error().transient());
  EXPECT_EQ(finished.reason(), "setup_environment: connect: libvirt: refused");
  EXPECT_EQ(finished.infrastructure_error().detail(), "more\nlines");
}

TEST_F(BuildTest, RequestThatNoRoutineTakesFailsTheBuild) {
  fake_.make_status = absl::InvalidArgumentError("disabled shortcuts: 'x': unknown");
  const auto finished = Run();
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_FAILED);
  EXPECT_EQ(finished.reason(), "disabled shortcuts: 'x': unknown");
}

TEST_F(BuildTest, GuestThatDoesNotAnswerIsAnInfrastructureError) {
  fake_.Do("setup_environment", [](StepContext&) { return StepResult(); });
  fake_.parts[1].name = "reach_environment";
  fake_.Do("reach_environment", [](StepContext&) -> absl::StatusOr<StepResult> {
    return WithFault(absl::DeadlineExceededError("boot: no answer"), Fault::kGuest);
  });
  const auto finished = Run();
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_INFRASTRUCTURE_ERROR);
  EXPECT_EQ(finished.infrastructure_error().code(), v1::INFRASTRUCTURE_ERROR_CODE_GUEST);
  EXPECT_TRUE(finished.infrastructure_error().transient());
  EXPECT_THAT(finished.reason(), HasSubstr("boot: no answer"));
}

TEST_F(BuildTest, WallLimitCountsFromTheEndOfPreparing) {
  lease_.mutable_request()->mutable_limits()->mutable_wall()->set_seconds(60);
  fake_.Do("prepare_image", [&](StepContext&) {
    clock_.Advance(absl::Seconds(59));
    return StepResult();
  });
  fake_.Do("run_command", [&](StepContext& context) -> absl::StatusOr<StepResult> {
    clock_.Advance(absl::Seconds(59));
    EXPECT_FALSE(context.deadline.Passed(clock_.Now()));
    clock_.Advance(absl::Seconds(2));
    return WaitForStop(context.stop);
  });
  const auto finished = Run();
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_TIMED_OUT);
  EXPECT_EQ(finished.reason(), "wall limit of 60 s reached in run_command");
}

TEST_F(BuildTest, SilenceEndsABuildThatNeitherSpeaksNorComputes) {
  lease_.mutable_request()->mutable_limits()->mutable_silence()->set_seconds(300);
  fake_.Do("run_command", [&](StepContext& context) -> absl::StatusOr<StepResult> {
    clock_.Advance(absl::Seconds(301));
    return WaitForStop(context.stop);
  });
  const auto finished = Run();
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_TIMED_OUT);
  EXPECT_THAT(finished.reason(), HasSubstr("silence limit of 5 min"));
}

TEST_F(BuildTest, CancelledInEveryStep) {
  for (const std::string step : {"prepare_image", "setup_environment", "run_command", "collect_files"}) {
    SCOPED_TRACE(step);
    journals_->Remove(*journal_);
    journal_ = *journals_->Create(lease_);
    FakeBuild fresh;
    fake_.parts = fresh.parts;
    std::unique_ptr<Build> build = Make();
    fake_.Do(step, [&](StepContext& context) -> absl::StatusOr<StepResult> {
      build->End(Cancelled("by me"));
      return WaitForStop(context.stop);
    });
    const auto finished = Run(*build);
    EXPECT_EQ(finished.outcome(), v1::OUTCOME_CANCELLED);
    EXPECT_EQ(finished.reason(), "by me");
    EXPECT_EQ(FinishedSteps().back().step(), step);
  }
}

TEST_F(BuildTest, CancelledWhileUploading) {
  fake_.artifacts = {{"a.txt", "/x", 3, std::string(64, '0'), "text/plain"}};
  publisher_.hangs = true;
  std::unique_ptr<Build> build = Make();
  fake_.Do("collect_files", [&](StepContext&) {
    build->End(Cancelled("by me"));
    return StepResult();
  });
  EXPECT_EQ(Run(*build).outcome(), v1::OUTCOME_CANCELLED);
}

TEST_F(BuildTest, CancelDoesNotWaitForAnEnvironmentThatIsDeafToStops) {
  std::unique_ptr<Build> build = Make();
  fake_.Do("run_command", [&](StepContext&) -> absl::StatusOr<StepResult> {
    build->End(Cancelled("by me"));
    return fake_.environment.WaitUntilKilled();
  });
  EXPECT_EQ(Run(*build).outcome(), v1::OUTCOME_CANCELLED);
}

TEST_F(BuildTest, FirstCauseDecides) {
  std::unique_ptr<Build> build = Make();
  fake_.Do("run_command", [&](StepContext&) {
    build->End(Cancelled("first"));
    build->End(TimedOut("second"));
    // Killed by the stop: not the user's failure.
    return StepResult::Failed("run: sh: signal 15", 0, 15);
  });
  const auto finished = Run(*build);
  EXPECT_EQ(finished.outcome(), v1::OUTCOME_CANCELLED);
  EXPECT_EQ(finished.reason(), "first");
}

TEST_F(BuildTest, LogsComeInOrderWithOffsetsAndDigest) {
  const std::string big(150 * 1024, 'b');
  fake_.Do("run_command", [&](StepContext& context) {
    context.reporter.Log(OutputStream::kStdout, "one\n");
    context.reporter.Log(OutputStream::kStderr, "two\n");
    context.reporter.Log(OutputStream::kStdout, big);
    return StepResult();
  });
  const auto finished = Run();
  std::string log;
  for (const auto& event : Events()) {
    if (!event.has_log_chunk()) continue;
    EXPECT_EQ(event.log_chunk().offset(), static_cast<int64_t>(log.size()));
    EXPECT_LE(event.log_chunk().data().size(), 64u * 1024);
    log += event.log_chunk().data();
  }
  EXPECT_EQ(log, "one\ntwo\n" + big);
  const auto& digest = finished.logs().at("run_command");
  EXPECT_EQ(digest.size_bytes(), static_cast<int64_t>(log.size()));
  EXPECT_EQ(digest.sha256(), Sha256::Of(log));
}

TEST_F(BuildTest, BeyondTheLogLimitBytesAreCountedAndTheEndIsKept) {
  lease_.mutable_request()->mutable_limits()->set_log_bytes(100);
  fake_.Do("run_command", [&](StepContext& context) {
    context.reporter.Log(OutputStream::kStdout, std::string(100'000, 'x'));
    context.reporter.Log(OutputStream::kStdout, "the end");
    return StepResult();
  });
  Run();
  int64_t omitted = 0;
  std::string log;
  for (const auto& event : Events()) {
    omitted += event.log_chunk().omitted_bytes();
    log += event.log_chunk().data();
  }
  EXPECT_EQ(static_cast<int64_t>(log.size()) + omitted, 100'007);
  EXPECT_LE(log.size(), 100u);
  EXPECT_THAT(log, testing::EndsWith("the end"));
}

TEST_F(BuildTest, ProgressComesAtMostTenTimesASecondAndTheLastIsNotLost) {
  fake_.Do("collect_files", [&](StepContext& context) {
    for (int i = 1; i <= 1000; ++i) {
      context.reporter.Progress({i, 1000, "packing", "", ProgressUpdate::Unit::kBytes});
      clock_.Advance(absl::Milliseconds(1));
    }
    return StepResult();
  });
  Run();
  int64_t last = 0;
  int count = 0;
  v1::ProgressUnit unit = v1::PROGRESS_UNIT_UNSPECIFIED;
  for (const auto& event : Events()) {
    if (!event.has_step_progress()) continue;
    ++count;
    last = event.step_progress().done();
    unit = event.step_progress().unit();
  }
  EXPECT_LE(count, 12);
  EXPECT_EQ(last, 1000);
  EXPECT_EQ(unit, v1::PROGRESS_UNIT_BYTES);
}

}  // namespace
}  // namespace rootwright
