#include "ci/cli/plain_view.h"

#include "tests/ci/cli/story.h"

namespace rootwright::cli {
namespace {

std::string Plain(const Story& story, LogLines log) {
  PlainView view(absl::UTCTimeZone(), log);
  std::string text;
  for (const auto& message : story.messages()) text += Render(view.Apply(message), Colour::kOff);
  return text;
}

Story WithLog() {
  Story story = Story::Install();
  story.Event("log_chunk { step: 'install_packages' stream: LOG_STREAM_STDOUT data: 'Setting up' }");
  story.Event(
      "log_chunk { step: 'install_packages' stream: LOG_STREAM_STDERR offset: 10 data: 'oops\\r\\n' }");
  story.Event(
      "log_chunk { step: 'install_packages' stream: LOG_STREAM_STDOUT offset: 16 data: ' nano\\nand' }");
  story.Event(
      "log_chunk { step: 'install_packages' stream: LOG_STREAM_STDOUT offset: 25 omitted_bytes: 7 data: "
      "'end' }");
  story.Event(
      "step_finished { step: 'install_packages' state: STEP_STATE_FAILED wall { seconds: 94 } reason: 'exit "
      "1' }");
  return story;
}

TEST(PlainView, GivesOneLineForEachThingThatHappens) {
  ExpectGolden("plain.txt", Plain(WithLog(), LogLines::kHide));
}

TEST(PlainView, ShowsWholeLogLinesOfEachStream) {
  ExpectGolden("plain_log.txt", Plain(WithLog(), LogLines::kShow));
}

TEST(PlainView, SaysThatBuildIsTriedAgain) {
  Story story = Story::Install();
  story.Build(
      "state: BUILD_STATE_QUEUED attempt: 1 infrastructure_error { message: 'boot: guest: kernel panic' }");
  EXPECT_NE(Plain(story, LogLines::kHide)
                .find("! infrastructure error: boot: guest: kernel panic; the build is queued again\n"),
            std::string::npos);
}

TEST(PlainView, CutsLineWithoutEnd) {
  Story story;
  story.Event("log_chunk { step: 's' stream: LOG_STREAM_STDOUT data: '" + std::string(10000, 'x') + "' }");
  const std::string text = Plain(story, LogLines::kShow);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

}  // namespace
}  // namespace rootwright::cli
