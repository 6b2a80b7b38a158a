#include "agent/options.h"

#include <gtest/gtest.h>

namespace rootwright {
namespace {

TEST(AgentOptions, ValuesStandBothWays) {
  const auto options = ParseOptions({"--config=a", "--state", "/s", "--check-host", "--json"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->config, "a");
  EXPECT_EQ(options->state, "/s");
  EXPECT_EQ(options->action, AgentOptions::Action::kCheckHost);
  EXPECT_TRUE(options->json);
}

TEST(AgentOptions, ARootIsMadeLikeAnImage) {
  const auto options = ParseOptions({"--make-root", "arm64"});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->action, AgentOptions::Action::kMakeRoot);
  EXPECT_EQ(options->architecture, Architecture::kArm64);
  EXPECT_EQ(ParseOptions({"--make-image=amd64"})->action, AgentOptions::Action::kMakeImage);
  EXPECT_FALSE(ParseOptions({"--make-root", "vax"}).ok());
}

TEST(AgentOptions, UnknownOrIncompleteOnesAreRefused) {
  EXPECT_FALSE(ParseOptions({"--confg"}).ok());
  EXPECT_FALSE(ParseOptions({"--config"}).ok());
  EXPECT_FALSE(ParseOptions({"--make-image", "vax"}).ok());
}

}  // namespace
}  // namespace rootwright
