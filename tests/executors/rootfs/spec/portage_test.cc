#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "executors/rootfs/spec/specification.h"
#include "executors/rootfs/spec/translation.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(PortageSpecification, IsReadWhole) {
  const ParsedSpecification parsed = ParseSpecification(R"(package_manager:
  portage: {root_mode: separate, allow_changes: [mask]}
global:
  use: {+: "ssl ipv6", -: [X]}
packages:
  app-misc/screen: {}
  ">=dev-lang/python-3.11:3.11":
    kw: {+: ~arm64}
  "@board":
  dev-libs/*: {use: {-: test}}
)");
  ASSERT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
  EXPECT_EQ(parsed.specification.package_manager, PackageManager::kPortage);
  EXPECT_EQ(parsed.specification.packages_asked(), 3U);
  const PortageSettings& portage = parsed.specification.portage;
  EXPECT_EQ(portage.root_mode, RootMode::kSeparate);
  EXPECT_THAT(portage.allowed_changes, ElementsAre(PlanChange::kMask));
  EXPECT_THAT(portage.global.use.on, ElementsAre("ssl", "ipv6"));
  EXPECT_THAT(portage.global.use.off, ElementsAre("X"));
  ASSERT_THAT(portage.packages, SizeIs(4));
  EXPECT_EQ(portage.packages[1].atom.slot, "3.11");
  EXPECT_EQ(portage.packages[1].line, 7);
  EXPECT_EQ(portage.packages[1].column, 3);
  EXPECT_THAT(portage.packages[1].options.keywords.on, ElementsAre("~arm64"));
  EXPECT_THAT(WorldList(parsed.specification),
              ElementsAre("app-misc/screen", ">=dev-lang/python-3.11:3.11", "@board"));
}

TEST(PortageSpecification, WithoutPackageManagerIsInPlaceAsEmbeduxHadIt) {
  const ParsedSpecification parsed = ParseSpecification("packages: {sys-apps/busybox: {}}\n");
  ASSERT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
  EXPECT_EQ(parsed.specification.package_manager, PackageManager::kPortage);
  EXPECT_EQ(parsed.specification.portage.root_mode, RootMode::kInPlace);
  EXPECT_THAT(parsed.warnings, IsEmpty());
}

TEST(PortageSpecification, TheLowerOfTwoEqualPackagesCounts) {
  const ParsedSpecification parsed =
      ParseSpecification("packages:\n  a/b: {use: {+: one}}\n  c/d: {}\n  a/b: {use: {+: two}}\n");
  ASSERT_TRUE(parsed.ok());
  ASSERT_THAT(parsed.warnings, SizeIs(1));
  ASSERT_THAT(parsed.specification.portage.packages, SizeIs(2));
  EXPECT_THAT(parsed.specification.portage.packages[0].options.use.on, ElementsAre("two"));
  EXPECT_EQ(parsed.specification.portage.packages[0].line, 4);
}

TEST(PortageSpecification, AFlagOnAndOffIsOff) {
  for (const char* text : {"global: {use: {+: 'a b', -: a}}\n", "global: {use: {-: a, +: 'a b'}}\n"}) {
    const ParsedSpecification parsed = ParseSpecification(text);
    ASSERT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
    EXPECT_THAT(parsed.specification.portage.global.use.on, ElementsAre("b"));
    EXPECT_THAT(parsed.specification.portage.global.use.off, ElementsAre("a"));
    EXPECT_THAT(parsed.warnings, SizeIs(1));
  }
}

TEST(PortageSpecification, KeywordsAreWarnedOfOnlyWhenTheTargetIsKnown) {
  const std::string text = "packages: {a/b: {kw: {+: '~amd64 ~amd64-linux **'}}}\n";
  EXPECT_THAT(ParseSpecification(text).warnings, IsEmpty());
  EXPECT_THAT(ParseSpecification(text, {"amd64"}).warnings, IsEmpty());
  EXPECT_THAT(ParseSpecification(text, {"arm"}).warnings, SizeIs(2));
}

TEST(PortageSpecification, EndlessMistakesEnd) {
  std::string text = "packages:\n";
  for (int i = 0; i < 3000; ++i) text += "  p" + std::to_string(i) + ": {}\n";
  text += "  a/b: {}\n";
  const ParsedSpecification parsed = ParseSpecification(text);
  EXPECT_THAT(parsed.problems, SizeIs(101));
  EXPECT_THAT(parsed.problems.back().message, HasSubstr("more than 100 errors; the rest is not shown"));
}

TEST(PortageSpecification, ManyWordsTakeNoTimeWorthMentioning) {
  std::string text = "packages:\n";
  for (int i = 0; text.size() < 1'000'000; ++i) {
    text += "  a/b" + std::to_string(i) + "c: {use: {+: '";
    for (int word = 0; word < 1000; ++word) text += "w" + std::to_string(word) + " ";
    text += "'}}\n";
  }
  EXPECT_TRUE(ParseSpecification(text).ok());
}

class PortageFolder : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& content) {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << content;
  }
  ScopedFolder folder_ = ScopedFolder::Create(fs::temp_directory_path(), "spec-").value();
};

TEST_F(PortageFolder, OverlayIsKnown) {
  Write("configuration.yml", "packages: {'@board': {}}\n");
  Write("pre_install_overlay/etc/portage/package.use", "");
  Write("pre_install_overlay/etc/portage/env/a.conf", "");
  Write("pre_install_overlay/etc/portage/sets/board", "");
  Write("pre_install_overlay/usr/local/portage/profiles/repo_name", "  local\n");
  const ParsedSpecification parsed = LoadSpecification(folder_.path());
  ASSERT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
  EXPECT_THAT(parsed.warnings, IsEmpty());
  const PortageOverlay& overlay = parsed.specification.portage.overlay;
  EXPECT_THAT(overlay.files, ElementsAre("etc/portage/package.use"));
  EXPECT_THAT(overlay.folders, ElementsAre("etc/portage/env", "etc/portage/sets"));
  ASSERT_THAT(overlay.repositories, SizeIs(1));
  EXPECT_EQ(overlay.repositories[0].name, "local");
  EXPECT_EQ(overlay.repositories[0].location, "/usr/local/portage");
  EXPECT_FALSE(overlay.repositories[0].declared);
}

TEST_F(PortageFolder, NothingIsReadThroughLinks) {
  Write("configuration.yml",
        "packages: {a/b: {}}\noverlay_attributes: {pre_install_overlay/etc/passwd: {mode: '0600'}}\n");
  fs::create_directories(folder_.path() / "pre_install_overlay");
  fs::create_directory_symlink("/etc", folder_.path() / "pre_install_overlay/etc");
  const ParsedSpecification parsed = LoadSpecification(folder_.path());
  EXPECT_THAT(parsed.specification.portage.overlay.files, IsEmpty());
  EXPECT_THAT(FormatProblems(parsed.problems), HasSubstr("there is no 'pre_install_overlay/etc/passwd'"));
}

TEST_F(PortageFolder, AttributesOfALinkHaveNoMode) {
  Write("configuration.yml",
        "packages: {a/b: {}}\noverlay_attributes: {post_install_overlay/x: {mode: '0600'}}\n");
  fs::create_directories(folder_.path() / "post_install_overlay");
  fs::create_symlink("/etc/passwd", folder_.path() / "post_install_overlay/x");
  EXPECT_THAT(FormatProblems(LoadSpecification(folder_.path()).problems), HasSubstr("links have no mode"));
}

TEST(Translation, OfAptIsNothing) {
  const ParsedSpecification parsed = ParseSpecification("package_manager: {apt: {suite: bookworm}}\n");
  EXPECT_THAT(TranslateSpecification(parsed.specification, nullptr), IsEmpty());
}

TEST(Translation, StarComesBeforeTheFlagsThatItWouldUndo) {
  const ParsedSpecification parsed = ParseSpecification("packages: {a/b: {use: {+: x, -: 'y *'}}}\n");
  const std::vector<TranslatedFile> files = TranslateSpecification(parsed.specification, nullptr);
  ASSERT_THAT(files, SizeIs(2));
  EXPECT_THAT(files[0].content, HasSubstr("a/b -* x -y\n"));
}

}  // namespace
}  // namespace rootwright
