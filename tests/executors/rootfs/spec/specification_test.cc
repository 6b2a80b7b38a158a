#include "executors/rootfs/spec/specification.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kManager[] = "package_manager: {apt: {suite: bookworm, components: [main]}}\n";

std::string Problems(const std::string& text) { return FormatProblems(ParseSpecification(text).problems); }
std::string WithManager(const std::string& text) { return Problems(kManager + text); }

TEST(Specification, IsReadWhole) {
  const ParsedSpecification parsed = ParseSpecification(R"(package_manager:
  apt:
    suite: bookworm
    components: [main, non-free-firmware]
packages:
  busybox: {}
  nano:
  libstdc++6:
    version: "12.2.0-14"
pre_install_commands:
  - echo before
post_install_commands:
  - |
    echo one
    echo two
)");
  ASSERT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
  const Specification& spec = parsed.specification;
  EXPECT_EQ(spec.apt.suite, "bookworm");
  EXPECT_THAT(spec.apt.components, ElementsAre("main", "non-free-firmware"));
  ASSERT_THAT(spec.packages, SizeIs(3));
  EXPECT_EQ(spec.packages[0].name, "busybox");
  EXPECT_EQ(spec.packages[0].line, 6);
  EXPECT_EQ(spec.packages[0].column, 3);
  EXPECT_EQ(spec.packages[2].name, "libstdc++6");
  EXPECT_EQ(spec.packages[2].version, "12.2.0-14");
  EXPECT_EQ(spec.pre_install_commands.at(0).text, "echo before");
  EXPECT_EQ(spec.post_install_commands.at(0).text, "echo one\necho two\n");
}

TEST(Specification, NeedsOnlyTheSuite) {
  const ParsedSpecification parsed =
      ParseSpecification("package_manager: {apt: {suite: bookworm}}\npackages:\n");
  ASSERT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
  EXPECT_THAT(parsed.specification.apt.components, ElementsAre("main"));
  EXPECT_THAT(parsed.specification.packages, IsEmpty());
}

TEST(Specification, OptionsAfterEmptyBracesAreExplained) {
  EXPECT_EQ(WithManager("packages:\n    sys-fs/btrfs-progs: {}\n        kw:\n"),
            "configuration.yml:4:9: error: a package cannot hold options after '{}'\n"
            "    3 |     sys-fs/btrfs-progs: {}\n"
            "    4 |         kw:\n"
            "      |         ^ remove the '{}' on line 3, or this block\n");
}

TEST(Specification, MisspeltKeyGetsASuggestion) {
  EXPECT_THAT(WithManager("post_install_command: []\n"),
              HasSubstr("configuration.yml:2:1: error: unknown key 'post_install_command'; did you mean "
                        "'post_install_commands'?\n    2 | post_install_command: []\n      | ^\n"));
  EXPECT_THAT(Problems("package_manger: {}\n"), HasSubstr("did you mean 'package_manager'?"));
  EXPECT_THAT(WithManager("packages: {nano: {vresion: 1}}\n"), HasSubstr("did you mean 'version'?"));
}

TEST(Specification, UnlikeKeyGetsNoSuggestion) {
  EXPECT_THAT(WithManager("global: {}\n"), HasSubstr("error: unknown key 'global'\n"));
}

TEST(Specification, AllProblemsAreReportedInTheOrderOfTheFile) {
  const ParsedSpecification parsed = ParseSpecification(
      "packages: {Nano: {}, a: {}, nano: {}, nano: {}}\npost_install_commands: echo\nx: 1\npackage_manager: "
      "{apt: {}}\n");
  std::vector<int> lines;
  for (const SpecProblem& problem : parsed.problems) lines.push_back(problem.line);
  EXPECT_THAT(lines, ElementsAre(1, 1, 2, 3, 4)) << FormatProblems(parsed.problems);
}

TEST(Specification, WrongTypesAreNamed) {
  EXPECT_THAT(Problems("package_manager: apt\n"),
              HasSubstr("1:18: error: 'package_manager' must be a map, not a text"));
  EXPECT_THAT(Problems("package_manager: {apt: {suite: [a]}}\n"),
              HasSubstr("1:32: error: 'suite' must be a text, not a list"));
  EXPECT_THAT(Problems("package_manager: {dnf: {}}\n"), HasSubstr("package manager 'dnf' is not supported"));
  EXPECT_THAT(WithManager("packages: [nano]\n"),
              HasSubstr("2:11: error: 'packages' must be a map, not a list"));
  EXPECT_THAT(WithManager("packages: {nano: 1}\n"),
              HasSubstr("the options of 'nano' must be a map, not a text"));
  EXPECT_THAT(WithManager("post_install_commands:\n  - echo: hi\n"),
              HasSubstr("put the whole command in quotes"));
  EXPECT_THAT(Problems("- a\n"), HasSubstr("a specification must be a map, not a list"));
  EXPECT_THAT(Problems(""), HasSubstr("the file is empty"));
}

TEST(Specification, RefusesNamesThatAreNoDebianPackages) {
  for (const char* name :
       {"Nano", "a", "sys-apps/foo", "nano/bookworm", "nano:arm64", "-nano", "na no", "nano*", "?x"}) {
    EXPECT_THAT(WithManager(std::string("packages: {\"") + name + "\": {}}\n"),
                HasSubstr("is not the name of a Debian package"))
        << name;
  }
  EXPECT_THAT(WithManager("packages: {\"nano=7.2-1\": {}}\n"),
              HasSubstr("write 'nano: {version: \"7.2-1\"}'"));
}

TEST(Specification, RefusesSuitesThatAreNoNames) {
  EXPECT_THAT(Problems("package_manager: {apt: {suite: \"../x\"}}\n"), HasSubstr("'suite' cannot be '../x'"));
  EXPECT_THAT(Problems("package_manager: {apt: {suite: \"a b\"}}\n"), HasSubstr("'suite' cannot be"));
  EXPECT_THAT(Problems("package_manager: {apt: {components: [main]}}\n"), HasSubstr("'apt' has no 'suite'"));
}

TEST(Specification, DuplicateKeysAreRefused) {
  EXPECT_THAT(WithManager("packages: {}\npackages: {}\n"),
              HasSubstr("3:1: error: 'packages' stands here again\n    3 | packages: {}\n      | ^ it is on "
                        "line 2 already"));
}

TEST(Specification, DuplicatePackagesAreWarnedOf) {
  const ParsedSpecification parsed =
      ParseSpecification(std::string(kManager) + "packages:\n  nano: {}\n  nano: {version: 7}\n");
  ASSERT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
  EXPECT_EQ(FormatProblems(parsed.warnings),
            "configuration.yml:4:3: warning: 'nano' stands here again\n    4 |   nano: {version: 7}\n"
            "      |   ^ this one counts, not the one on line 3\n");
  ASSERT_THAT(parsed.specification.packages, SizeIs(1));
  EXPECT_EQ(parsed.specification.packages[0].version, "7");
}

TEST(Specification, MalformedYamlHasLineAndColumn) {
  EXPECT_THAT(WithManager("packages:\n\tnano: {}\n"), HasSubstr("3:1: error: a tab indents this line"));
  EXPECT_THAT(WithManager("packages: {nano: {}\n"), HasSubstr("is not closed with '}'"));
  EXPECT_THAT(WithManager("packages: \"nano\n"),
              HasSubstr("2:11: error: the quote that opens here is never closed"));
  EXPECT_THAT(WithManager("packages: a: b\n"), HasSubstr("2:12: error: a second ':'"));
  EXPECT_THAT(WithManager("---\npackages: {}\n"), HasSubstr("a second document starts here"));
  EXPECT_THAT(WithManager("packages: !!map {}\n"), HasSubstr("tags are not supported"));
}

TEST(Specification, ColumnsCountCharacters) {
  EXPECT_THAT(WithManager("packages: {\"öö\": 1}\n"), HasSubstr("2:12: error: 'öö' is not"));
  EXPECT_THAT(WithManager("packages: {nano: {ää: 1, x: 1}}\n"), HasSubstr("2:26: error: unknown key 'x'"));
}

TEST(Specification, AnchorsAndAliasesAreRefusedUnexpanded) {
  std::string bomb = "a: &a [x, x, x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    const std::string previous(1, static_cast<char>(c - 1));
    bomb += std::string(1, c) + ": &" + c + " [*" + previous + ", *" + previous + ", *" + previous + "]\n";
  }
  const ParsedSpecification parsed = ParseSpecification(bomb);
  EXPECT_FALSE(parsed.ok());
  EXPECT_LE(parsed.problems.size(), 51U);
  EXPECT_THAT(parsed.problems[0].message, HasSubstr("anchors are not supported"));
}

TEST(Specification, DeepNestingIsRefused) {
  EXPECT_THAT(WithManager("packages: " + std::string(20, '[') + std::string(20, ']') + "\n"),
              HasSubstr("nested too deeply: more than 16 levels"));
  EXPECT_FALSE(ParseSpecification(std::string(1 << 20, '[')).ok());
  EXPECT_FALSE(ParseSpecification(std::string(1 << 20, '{')).ok());
}

TEST(Specification, BinaryAndOversizedFilesAreRefused) {
  EXPECT_THAT(Problems(std::string("a: \0b\n", 6)), HasSubstr("1:4: error: control character 0x00"));
  EXPECT_THAT(Problems("a: \xff\n"), HasSubstr("byte 0xff is not UTF-8"));
  EXPECT_THAT(Problems(std::string((1 << 20) + 1, 'a')), HasSubstr("larger than 1 MiB"));
}

TEST(SpecificationFolder, MissingConfigurationIsNamed) {
  const absl::StatusOr<ScopedFolder> folder =
      ScopedFolder::Create(std::filesystem::temp_directory_path(), "spec-");
  ASSERT_TRUE(folder.ok());
  EXPECT_THAT(FormatProblems(LoadSpecification(folder->path()).problems),
              HasSubstr("configuration.yml: error: there is no such file"));
}

TEST(SpecificationFolder, DoesNotFollowAConfigurationThatIsALink) {
  const absl::StatusOr<ScopedFolder> folder =
      ScopedFolder::Create(std::filesystem::temp_directory_path(), "spec-");
  ASSERT_TRUE(folder.ok());
  std::filesystem::create_symlink("/etc/passwd", folder->path() / "configuration.yml");
  const std::string problems = FormatProblems(LoadSpecification(folder->path()).problems);
  EXPECT_THAT(problems, HasSubstr("is not a regular file"));
  EXPECT_THAT(problems, testing::Not(HasSubstr("root:")));
}

}  // namespace
}  // namespace rootwright
