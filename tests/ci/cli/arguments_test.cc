#include "ci/cli/arguments.h"

#include <gmock/gmock.h>

#include "ci/cli/commands.h"

namespace rootwright::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<Arguments> ParseWords(const std::vector<std::string>& words) {
  return ParseArguments(words, Commands(), GlobalOptions());
}
std::string Complaint(const std::vector<std::string>& words) {
  const auto parsed = ParseWords(words);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.status().message());
}

TEST(ParseArguments, TakesOptionsAnywhere) {
  const auto parsed = ParseWords({"--json", "-m", "host:1", "build", "--arch=arm64", "submit", "spec",
                                  "--label", "a=b", "--label", "c=d"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_STREQ(parsed->command->words, "build submit");
  EXPECT_EQ(parsed->Get("master"), "host:1");
  EXPECT_EQ(parsed->Get("arch"), "arm64");
  EXPECT_THAT(parsed->All("label"), ElementsAre("a=b", "c=d"));
  EXPECT_THAT(parsed->operands, ElementsAre("spec"));
}

TEST(ParseArguments, LeavesWhatFollowsTwoDashesAlone) {
  const auto parsed =
      ParseWords({"build", "submit", "--command", "--arch", "arm64", "--", "sh", "-c", "--help"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->rest, ElementsAre("sh", "-c", "--help"));
  EXPECT_FALSE(parsed->Has("help"));
}

TEST(ParseArguments, GivesHelpHoweverWrongTheRest) {
  const auto parsed = ParseWords({"build", "watch", "--help"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->Has("help"));
  EXPECT_STREQ(parsed->command->words, "build watch");
}

TEST(ParseArguments, ProposesWhatWasMeant) {
  EXPECT_THAT(Complaint({"build", "sbmit"}), HasSubstr("did you mean 'build submit'?"));
  EXPECT_THAT(Complaint({"build", "list", "--stat", "queued"}), HasSubstr("did you mean '--state'?"));
  EXPECT_THAT(Complaint({"build", "submit", ".", "--arch", "arm6"}), HasSubstr("did you mean 'arm64'?"));
}

TEST(ParseArguments, NamesWhatIsWrong) {
  EXPECT_THAT(Complaint({}), HasSubstr("no command given"));
  EXPECT_THAT(Complaint({"build"}), HasSubstr("needs one more word: build submit, build watch"));
  EXPECT_THAT(Complaint({"build", "show"}), HasSubstr("build show: missing ID"));
  EXPECT_THAT(Complaint({"build", "show", "a", "b"}), HasSubstr("one word too many: 'b'"));
  EXPECT_THAT(Complaint({"build", "list", "--limit"}), HasSubstr("'--limit' needs a value: N"));
  EXPECT_THAT(Complaint({"build", "list", "--quiet=1"}), HasSubstr("'--quiet' takes no value"));
  EXPECT_THAT(Complaint({"build", "list", "--limit", "1", "--limit", "2"}),
              HasSubstr("'--limit' stands twice"));
  EXPECT_THAT(Complaint({"build", "list", "-z"}), HasSubstr("unknown option '-z'"));
  EXPECT_THAT(Complaint({"build", "list", "--", "x"}), HasSubstr("takes nothing after '--'"));
}

TEST(Closest, IsEmptyWhenNothingIsNear) {
  EXPECT_EQ(Closest("zebra", {"submit", "watch"}), "");
  EXPECT_EQ(Closest("wacth", {"submit", "watch"}), "watch");
}

}  // namespace
}  // namespace rootwright::cli
