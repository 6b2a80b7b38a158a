#include "ci/cli/commands.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/subprocess.h"
#include "ci/cli/session.h"

namespace rootwright::cli {
namespace {

using testing::HasSubstr;

TEST(Commands, HaveEachAFunctionAndExamplesThatParse) {
  for (const CommandSpec& command : Commands()) {
    EXPECT_NE(FindCommand(command.words), nullptr) << command.words;
    EXPECT_THAT(command.examples, HasSubstr(std::string("rootwright ") + command.words));
    EXPECT_THAT(HelpText(command), HasSubstr("Examples:"));
    EXPECT_THAT(OverviewText(), HasSubstr(command.words));
  }
}

TEST(Commands, GiveOneLetterOneMeaning) {
  for (const CommandSpec& command : Commands()) {
    std::string letters;
    for (const auto* options : {&command.options, &GlobalOptions()}) {
      for (const OptionSpec& option : *options) {
        if (option.letter == 0) continue;
        EXPECT_EQ(letters.find(option.letter), std::string::npos) << command.words << " -" << option.letter;
        letters.push_back(option.letter);
      }
    }
  }
}

TEST(ManualPage, IsTheOneInDocs) {
  const std::string path = std::string(std::getenv("ROOTWRIGHT_SOURCE")) + "/docs/man/rootwright.1";
  if (std::getenv("ROOTWRIGHT_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << ManualPage();
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), ManualPage()) << "make it anew: rootwright help --man > docs/man/rootwright.1";
}

// Completes the words in bash itself, with a `rootwright` that answers from a function.
std::string Complete(const std::string& words, int at) {
  SubprocessSpec bash;
  bash.argv = {"bash", "-c",
               BashCompletion() + "\ntimeout() { shift 2; echo \"ASKED:$*\"; }\nCOMP_WORDS=(" + words +
                   ")\nCOMP_CWORD=" + std::to_string(at) + "\n_rootwright\necho \"${COMPREPLY[*]}\""};
  const auto result = RunSubprocess(bash, Deadline::In(absl::Seconds(30)), {});
  EXPECT_TRUE(result.ok() && result->ok())
      << (result.ok() ? result->error_output : result.status().ToString());
  return result.ok() ? result->output : "";
}

TEST(BashCompletion, CompletesCommandsOptionsAndValues) {
  EXPECT_EQ(Complete("rootwright a", 1), "artifact agent\n");
  EXPECT_EQ(Complete("rootwright build s", 2), "submit show shell ssh ssh-config ssh-proxy\n");
  EXPECT_EQ(Complete("rootwright build submit --isol", 3), "--isolation\n");
  EXPECT_EQ(Complete("rootwright build submit --arch arm", 4), "arm64 armhf armel\n");
}

TEST(BashCompletion, AsksForIdsNamesAndSteps) {
  EXPECT_THAT(Complete("rootwright build show ASKED", 3), HasSubstr("ASKED:build"));
  EXPECT_THAT(Complete("rootwright agent drain -r x ASKED", 5), HasSubstr("ASKED:agent"));
  EXPECT_THAT(Complete("rootwright build log 7f3a 7f", 4), HasSubstr("7f3a"));
}

}  // namespace
}  // namespace rootwright::cli
