#include "ci/cli/json_line.h"

#include "ci/cli/exit_code.h"
#include "tests/ci/cli/story.h"

namespace rootwright::cli {
namespace {

TEST(JsonLine, IsProtobufJsonByteForByte) {
  Story story;
  story.Event("log_chunk { step: 'pack_rootfs' stream: LOG_STREAM_STDERR offset: 12 data: 'hi\\n' }");
  EXPECT_EQ(JsonLine(story.messages()[0]),
            "{\"event\":{\"sequence\":\"1\",\"time\":\"2001-09-09T01:46:41Z\",\"attempt\":1,\"logChunk\":{"
            "\"step\":\"pack_rootfs\","
            "\"stream\":\"LOG_STREAM_STDERR\",\"offset\":\"12\",\"data\":\"aGkK\"}}}\n");
}

TEST(JsonLine, KeepsOneMessageOnOneLine) {
  Story story;
  story.Event("warning { step: 's' message: 'a\\nb' }");
  const std::string line = JsonLine(story.messages()[0]);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(JsonErrorLine, NamesCodeMessageAndExitCode) {
  EXPECT_EQ(JsonErrorLine(absl::NotFoundError("no build 'x'")),
            "{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no build 'x'\",\"exitCode\":2}}\n");
}

TEST(ExitCodeOf, IsStable) {
  EXPECT_EQ(static_cast<int>(ExitCodeOf(v1::OUTCOME_SUCCEEDED)), 0);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(v1::OUTCOME_FAILED)), 1);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(v1::OUTCOME_INFRASTRUCTURE_ERROR)), 3);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(v1::OUTCOME_CANCELLED)), 4);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(v1::OUTCOME_TIMED_OUT)), 5);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::InvalidArgumentError(""))), 2);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::NotFoundError(""))), 2);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::InternalError(""))), 3);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::UnavailableError(""))), 6);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::CancelledError(""))), 130);
}

}  // namespace
}  // namespace rootwright::cli
