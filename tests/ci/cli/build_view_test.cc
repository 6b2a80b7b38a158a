#include "ci/cli/build_view.h"

#include "tests/ci/cli/story.h"

namespace rootwright::cli {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1000000060) + absl::Milliseconds(200);

std::string Picture(const Story& story, int rows = 40, const std::string& notice = "") {
  BuildView view;
  for (const auto& message : story.messages()) view.Apply(message);
  view.SetNotice(notice);
  return Render(view.Lines(kNow, rows), Colour::kOff);
}

TEST(BuildView, ShowsRunningStepWithProgressAndStepsToCome) {
  ExpectGolden("view_running.txt", Picture(Story::Install()));
}

TEST(BuildView, ColoursMarksOnly) {
  BuildView view;
  const Story story = Story::Install();
  for (const auto& message : story.messages()) view.Apply(message);
  ExpectGolden("view_colour.txt", Render(view.Lines(kNow, 40), Colour::kOn, 100));
}

TEST(BuildView, FoldsFinishedStepsOnLowTerminal) {
  const std::string picture = Picture(Story::Install(), 6);
  ExpectGolden("view_low.txt", picture);
  EXPECT_LE(std::count(picture.begin(), picture.end(), '\n'), 6);
}

TEST(BuildView, NeverTakesMoreRowsThanThereAre) {
  for (int rows = 1; rows < 20; ++rows) {
    const std::string picture = Picture(Story::Install(), rows, "notice");
    EXPECT_LE(std::count(picture.begin(), picture.end(), '\n'), rows);
  }
}

TEST(BuildView, ShowsReasonOfFailedStepAndNothingToCome) {
  Story story = Story::Install();
  story.Event(
      "step_finished { step: 'install_packages' state: STEP_STATE_FAILED exit_code: 1 wall { seconds: 94 } "
      "reason: 'greeter: exit 1' }");
  ExpectGolden("view_failed.txt", Picture(story));
}

TEST(BuildView, CountsBytesAsPeopleDo) {
  const auto text = [](const std::string& fields) { return ProgressText(Parse<v1::StepProgress>(fields)); };
  EXPECT_EQ(text("unit: PROGRESS_UNIT_BYTES done: 1572864 total: 3145728 phase: 'uploading' item: 'a.tar'"),
            "uploading 1.5 MiB of 3.0 MiB · a.tar");
  EXPECT_EQ(text("unit: PROGRESS_UNIT_BYTES done: 1572864 phase: 'packing'"), "packing 1.5 MiB");
  EXPECT_EQ(text("unit: PROGRESS_UNIT_ITEMS done: 3 total: 9 phase: 'configuring'"), "configuring 3 of 9");
}

TEST(BuildView, BeginsAnewWithNextAttempt) {
  Story story = Story::Install();
  story.Build(
      "state: BUILD_STATE_QUEUED attempt: 1 infrastructure_error { message: 'boot: guest: kernel panic' }");
  story.Build("state: BUILD_STATE_LEASED attempt: 2 agent: 'builder-2' started_at { seconds: 1000000050 }");
  story.Event("step_started { step: 'fetch_specs' index: 1 count: 13 coming: 'parse_packages' }", 2);
  ExpectGolden("view_again.txt", Picture(story));
}

TEST(BuildView, SaysWhyItWaits) {
  BuildView view;
  Story story;
  story.Build("state: BUILD_STATE_QUEUED attempt: 1");
  for (const auto& message : story.messages()) view.Apply(message);
  view.Explain(Parse<v1::ExplainPendingResponse>(
      "summary: 'no agent offers target riscv64' queue_position: 2 "
      "agents { agent: 'builder-1' reasons { kind: KIND_TARGET message: 'offers arm64, amd64, not riscv64' } "
      "} "
      "agents { agent: 'builder-2' reasons { kind: KIND_TARGET message: 'offers arm64, amd64, not riscv64' } "
      "} "
      "agents { agent: 'builder-3' reasons { kind: KIND_DRAINED message: 'is drained: \"new disk\"' } }"));
  ExpectGolden("view_waiting.txt", Render(view.Lines(kNow, 40), Colour::kOff));
}

TEST(BuildView, ShowsWarningsAndNotice) {
  Story story = Story::Install();
  story.Event("warning { step: 'install_packages' message: 'no \\033[31mKVM' }");
  ExpectGolden("view_notice.txt", Picture(story, 40, "! the link to the master is lost"));
}

TEST(BuildView, NamesTheStepsToComeAndWhatEachCameTo) {
  Story story;
  story.Build("state: BUILD_STATE_RUNNING attempt: 1");
  story.Event(
      "step_started { step: 'fetch_source' index: 1 count: 3 coming: 'run_command' coming: 'collect' }");
  EXPECT_NE(Picture(story).find("    run_command · collect\n"), std::string::npos);
  story.Event("step_finished { step: 'fetch_source' state: STEP_STATE_SUCCEEDED summary: 'commit 12ab' }");
  story.Event("step_started { step: 'run_command' index: 2 count: 3 }");
  const std::string picture = Picture(story);
  EXPECT_NE(picture.find("   commit 12ab\n"), std::string::npos) << picture;
  EXPECT_NE(picture.find("\n    collect\n"), std::string::npos) << picture;
}

}  // namespace
}  // namespace rootwright::cli
