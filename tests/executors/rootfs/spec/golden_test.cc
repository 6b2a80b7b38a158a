#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "executors/rootfs/spec/example.h"
#include "executors/rootfs/spec/platforms.h"
#include "executors/rootfs/spec/specification.h"
#include "executors/rootfs/spec/translation.h"

// Every golden/NAME.yml, or folder golden/NAME with a configuration.yml, is read; what a user is shown of it
// stands in golden/NAME.txt: errors and warnings, or, where there are no errors, the translation. The first
// line of the file may be "# platform: NAME". ROOTWRIGHT_UPDATE_GOLDEN=1 writes the expected files instead.
namespace rootwright {
namespace {

namespace fs = std::filesystem;

fs::path Golden() {
  return fs::path(std::getenv("ROOTWRIGHT_SOURCE")) / "tests/executors/rootfs/spec/golden";
}

std::string PlatformNameIn(absl::string_view text) {
  absl::string_view line = text.substr(0, text.find('\n'));
  return absl::ConsumePrefix(&line, "# platform: ") ? std::string(line) : "";
}

std::string Translated(const Specification& specification, const Platform* platform) {
  std::string shown;
  for (const TranslatedFile& file : TranslateSpecification(specification, platform)) {
    absl::StrAppend(&shown, "== ", file.path, file.how == TranslatedFile::How::kAppend ? " (appended)" : "",
                    file.when == TranslatedFile::When::kBeforeOverlay ? " (before the overlay)" : "", "\n",
                    file.content);
  }
  return shown;
}

std::string Shown(const fs::path& input) {
  const bool folder = fs::is_directory(input);
  const std::string text = ReadFile(folder ? input / kConfigurationFile : input).value_or("");
  const std::string name = PlatformNameIn(text);
  ParseOptions options;
  std::optional<Platform> platform;
  if (!name.empty()) {
    platform = FindPlatform(ShippedPlatforms(), name).value();
    options.keyword = platform->keyword();
  }
  const ParsedSpecification parsed =
      folder ? LoadSpecification(input, options) : ParseSpecification(text, options);
  std::string shown = FormatProblems(parsed.AllInOrder());
  if (parsed.ok()) shown += Translated(parsed.specification, platform.has_value() ? &*platform : nullptr);
  return shown;
}

TEST(GoldenSpecifications, ShowWhatAUserSees) {
  int read = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(Golden())) {
    if (entry.path().extension() == ".txt") continue;
    const fs::path expected = Golden() / absl::StrCat(entry.path().stem().string(), ".txt");
    const std::string shown = Shown(entry.path());
    if (std::getenv("ROOTWRIGHT_UPDATE_GOLDEN") != nullptr) std::ofstream(expected) << shown;
    const absl::StatusOr<std::string> golden = ReadFile(expected);
    ASSERT_TRUE(golden.ok()) << golden.status();
    EXPECT_EQ(*golden, shown) << "differs from " << expected;
    EXPECT_EQ(shown, Shown(entry.path())) << "not the same twice";
    ++read;
  }
  EXPECT_GT(read, 20);
}

TEST(Examples, HaveNoMistakes) {
  for (const PackageManager manager : {PackageManager::kApt, PackageManager::kPortage}) {
    const ParsedSpecification parsed = ParseSpecification(ExampleSpecification(manager));
    EXPECT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
    EXPECT_TRUE(parsed.warnings.empty()) << FormatProblems(parsed.warnings);
    EXPECT_EQ(parsed.specification.package_manager, manager);
    EXPECT_EQ(parsed.specification.packages_asked(), 3U);
  }
}

// What is commented out in the examples is good, too: all but prose, which has one blank behind its '#'.
TEST(Examples, HaveNoMistakesUncommented) {
  for (const PackageManager manager : {PackageManager::kApt, PackageManager::kPortage}) {
    std::string text;
    for (const absl::string_view line : absl::StrSplit(ExampleSpecification(manager), '\n')) {
      const absl::string_view bare = absl::StripLeadingAsciiWhitespace(line);
      const bool off =
          absl::StartsWith(bare, "#") && (!absl::StartsWith(bare, "# ") || absl::StartsWith(bare, "#  "));
      const std::string indent(line.size() - bare.size(), ' ');
      absl::StrAppend(&text, off ? absl::StrCat(indent, bare.substr(1)) : std::string(line), "\n");
    }
    const ParsedSpecification parsed = ParseSpecification(text);
    EXPECT_TRUE(parsed.ok()) << FormatProblems(parsed.problems);
    EXPECT_EQ(parsed.specification.pre_install_commands.size(), 1U);
    EXPECT_EQ(parsed.specification.overlay_attributes.size(), 1U);
  }
}

}  // namespace
}  // namespace rootwright
