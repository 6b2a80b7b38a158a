#include "executors/rootfs/spec/platforms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright {
namespace {

using ::testing::HasSubstr;

std::string Mistakes(const std::string& text) {
  const auto platforms = ParsePlatforms(text, "p.textproto");
  EXPECT_FALSE(platforms.ok());
  return std::string(platforms.status().message());
}

std::string NoPlatform(const std::string& branch) {
  const auto platform = PlatformOfBranch(ShippedPlatforms(), branch);
  EXPECT_FALSE(platform.ok()) << platform->name;
  return std::string(platform.status().message());
}

constexpr char kBoard[] =
    "platform { name: 'board' architecture: 'arm64' chost: 'aarch64-unknown-linux-gnu' cflags: '-O2' }";

TEST(Platforms, ThatAreShippedAreGood) {
  const auto platforms = ParsePlatforms(ShippedPlatformsText(), "platforms.textproto");
  ASSERT_TRUE(platforms.ok()) << platforms.status();
  for (const char* name : {"amd64", "arm64", "armv7a_hardfp", "armv6j_hardfp", "riscv64"}) {
    const auto platform = FindPlatform(*platforms, name);
    ASSERT_TRUE(platform.ok()) << platform.status();
    EXPECT_THAT(platform->chost, HasSubstr("-linux-gnu"));
    EXPECT_THAT(platform->cflags, HasSubstr("-O2"));
    EXPECT_FALSE(platform->image.empty());
    EXPECT_FALSE(platform->profile.empty());
  }
  EXPECT_EQ(FindPlatform(*platforms, "armv6j_hardfp")->keyword(), "arm");
  EXPECT_EQ(FindPlatform(*platforms, "arm64")->abi, "lp64");
}

TEST(Platforms, MistakesHaveLineAndColumn) {
  EXPECT_EQ(Mistakes("platform {\n  name: \"a\"\n  cflag: \"-O2\"\n}\n"),
            "p.textproto:3:3: unknown field 'cflag'; did you mean 'cflags'?");
  EXPECT_EQ(Mistakes("platfrm {}\n"), "p.textproto:1:1: unknown field 'platfrm'; did you mean 'platform'?");
  EXPECT_THAT(Mistakes("platform {\n  name: 7\n}\n"), HasSubstr("p.textproto:2:9: "));
  EXPECT_THAT(Mistakes("platform {\n"), HasSubstr("p.textproto:2:1: "));
  EXPECT_EQ(
      Mistakes("\nplatform {\n  name: 'A' architecture: 'arm' chost: 'x' cflags: '$(id)' profile: '../x'\n}"),
      "p.textproto:3:3: name: 'A': lower-case letters, digits and '_', a letter first, are a platform's "
      "name\n"
      "p.textproto:3:13: architecture: 'arm' is none of amd64, arm64, armhf, riscv64, armel\n"
      "p.textproto:3:44: cflags: '$(id)' cannot be one\n"
      "p.textproto:3:60: profile: '../x' cannot be one");
  EXPECT_THAT(Mistakes("platform {\n  name: 'a'\n}\n"), HasSubstr("p.textproto:2:3: chost: is missing"));
  EXPECT_THAT(Mistakes(std::string(kBoard) + "\n" + kBoard),
              HasSubstr("p.textproto:2:12: name: 'board' stands here again"));
  EXPECT_THAT(Mistakes(""), HasSubstr("there is no platform in it"));
}

TEST(Branch, LongestPlatformWins) {
  std::string file = kBoard;
  for (const char* name : {"board_v2", "board_v2_lite"})
    file += "platform { name: '" + std::string(name) + "' architecture: 'armhf' chost: 'x' cflags: '-O2' }";
  const auto platforms = ParsePlatforms(file, "p.textproto");
  ASSERT_TRUE(platforms.ok()) << platforms.status();
  EXPECT_EQ(PlatformOfBranch(*platforms, "board_gateway")->name, "board");
  EXPECT_EQ(PlatformOfBranch(*platforms, "board_v2_gateway")->name, "board_v2");
  EXPECT_EQ(PlatformOfBranch(*platforms, "board_v2_lite_x_y")->name, "board_v2_lite");
  EXPECT_EQ(PlatformOfBranch(*platforms, "board_v2")->name, "board");
}

TEST(Branch, OfEmbeduxIsKnown) {
  EXPECT_EQ(PlatformOfBranch(ShippedPlatforms(), "armv7a_hardfp_factory-systemd")->name, "armv7a_hardfp");
  EXPECT_EQ(PlatformOfBranch(ShippedPlatforms(), "amd64_factory-systemd")->name, "amd64");
}

TEST(Branch, ThatNamesNoPlatformIsToldTheNearest) {
  EXPECT_EQ(
      NoPlatform("armv7_hardfp_bbb"),
      "branch 'armv7_hardfp_bbb' names no platform; did you mean 'armv7a_hardfp_bbb'? Branches are named "
      "PLATFORM_NAME, and the platforms are amd64, arm64, armv7a_hardfp, armv6j_hardfp, riscv64");
  EXPECT_THAT(NoPlatform("arm64-gateway"), HasSubstr("did you mean 'arm64_gateway'?"));
  EXPECT_THAT(NoPlatform("arm64"), HasSubstr("did you mean 'arm64_NAME'?"));
  EXPECT_THAT(NoPlatform("arm64_"), HasSubstr("did you mean 'arm64_NAME'?"));
  EXPECT_THAT(NoPlatform("main"), HasSubstr("names no platform; branches are named PLATFORM_NAME"));
}

TEST(Platform, ThatIsMisspeltIsToldTheNearest) {
  EXPECT_EQ(FindPlatform(ShippedPlatforms(), "arm46").status().message(),
            "no such platform: 'arm46'; did you mean 'arm64'? There are: amd64, arm64, armv7a_hardfp, "
            "armv6j_hardfp, "
            "riscv64");
}

}  // namespace
}  // namespace rootwright
