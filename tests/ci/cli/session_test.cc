#include "ci/cli/session.h"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "base/file.h"
#include "base/sha256.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"
#include "tests/ci/cli/fake_master.h"
#include "tests/ci/cli/story.h"

namespace rootwright::cli {
namespace {

using testing::HasSubstr;

// Whole command lines against a master, with their output and exit code.
class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest()
      : folder_(ScopedFolder::Create(std::filesystem::temp_directory_path(), "cli-session-").value()) {}

  int Run(std::vector<std::string> words) {
    const std::string out = (folder_.path() / "stdout").string();
    const std::string error = (folder_.path() / "stderr").string();
    const UniqueFd out_fd(open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
    const UniqueFd error_fd(open(error.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
    const ExitCode code = RunCommandLine({std::move(words), master_.address(), ""}, out_fd.get(),
                                         error_fd.get(), Clock::Real(), absl::UTCTimeZone());
    out_ = ReadFile(out).value();
    error_ = ReadFile(error).value();
    return static_cast<int>(code);
  }
  void SetEnd(const std::string& fields) {
    master_.SetBuild(Parse<v1::Build>(
        "id: '7f3a0000' state: BUILD_STATE_FINISHED attempt: 1 agent: 'builder-1' " + fields));
    master_.SetWatch({{Story::Install().messages()}});
  }

  FakeMaster master_;
  ScopedFolder folder_;
  std::string out_;
  std::string error_;
};

TEST_F(CommandLineTest, SubmitFollowsAndFetches) {
  const std::string content(5000, 'r');
  master_.SetBytes(content);
  SetEnd("outcome: OUTCOME_SUCCEEDED artifacts { name: 'rootfs.tar.zst' size_bytes: 5000 sha256: '" +
         Sha256::Of(content) + "' }");
  const std::string output = (folder_.path() / "out").string();
  EXPECT_EQ(Run({"build", "submit", "https://example.org/s", "--arch", "arm64", "--output", output}), 0)
      << error_;
  EXPECT_THAT(out_, HasSubstr("configuring 88 of 142 · openssh-server"));
  EXPECT_THAT(out_, HasSubstr("✓ Build 7f3a0000 succeeded"));
  EXPECT_EQ(ReadFile(output + "/7f3a0000/rootfs.tar.zst").value(), content);
}

TEST_F(CommandLineTest, SubmitShowsEndOfLogOfFailingStep) {
  master_.SetBytes("line one\nerror: implicit declaration\n");
  SetEnd(
      "outcome: OUTCOME_FAILED reason: 'exit 1' steps { name: 'install_packages' state: STEP_STATE_FAILED "
      "log_bytes: 36 }");
  EXPECT_EQ(Run({"build", "submit", "https://example.org/s", "--arch", "arm64"}), 1);
  EXPECT_THAT(out_, HasSubstr("✗ Build 7f3a0000 failed in install_packages: exit 1\n    line one\n    error: "
                              "implicit declaration\n"));
}

TEST_F(CommandLineTest, DetachPrintsIdAlone) {
  SetEnd("outcome: OUTCOME_SUCCEEDED");
  EXPECT_EQ(Run({"build", "submit", "https://example.org/s", "--arch", "arm64", "--detach"}), 0);
  EXPECT_EQ(out_, "7f3a0000\n");
  EXPECT_TRUE(master_.watched().empty());
}

TEST_F(CommandLineTest, JsonHasOneMessageOnEachLine) {
  SetEnd("outcome: OUTCOME_TIMED_OUT");
  EXPECT_EQ(Run({"build", "watch", "7f3a", "--json"}), 5);
  EXPECT_THAT(out_, HasSubstr("\n{\"event\":{\"sequence\":\"1\",\"time\":\"2001-09-09T01:46:41Z\","
                              "\"attempt\":1,\"stepStarted\":{\"step\":"
                              "\"fetch_specs\",\"index\":1,\"count\":13,\"place\":\"PLACE_HOST\",\"coming\":["
                              "\"parse_packages\","));
  EXPECT_FALSE(master_.watched()[0].omit_log_chunks());
}

TEST_F(CommandLineTest, RefusedRequestIsBadInput) {
  SetEnd("");
  EXPECT_EQ(
      Run({"build", "submit", "https://example.org/s", "--arch", "arm64", "--priority", "101", "--json"}), 2);
  EXPECT_EQ(error_, "rootwright: submit build: the request is refused\n");
  EXPECT_EQ(out_,
            "{\"error\":{\"code\":\"INVALID_ARGUMENT\",\"message\":\"submit build: the request is "
            "refused\",\"exitCode\":2}}\n");
}

TEST_F(CommandLineTest, OutcomesHaveTheirExitCodes) {
  SetEnd("outcome: OUTCOME_CANCELLED");
  EXPECT_EQ(Run({"build", "watch", "7f3a"}), 4);
  SetEnd(
      "outcome: OUTCOME_INFRASTRUCTURE_ERROR infrastructure_error { message: 'boot: guest: kernel panic' }");
  EXPECT_EQ(Run({"build", "watch", "7f3a"}), 3);
  EXPECT_EQ(Run({"build", "watch", "beef"}), 2);
  EXPECT_EQ(Run({"build", "watch"}), 2);
  EXPECT_EQ(Run({"--master", "127.0.0.1:1", "build", "list"}), 6);
  EXPECT_THAT(error_,
              HasSubstr("cannot reach the master: 127.0.0.1:1: connection refused: start rootwright-master"));
}

TEST_F(CommandLineTest, LogPrintsBytesFromOffset) {
  SetEnd("");
  master_.SetBytes("0123456789");
  EXPECT_EQ(Run({"build", "log", "7f3a", "pack_rootfs", "--offset", "4"}), 0);
  EXPECT_EQ(out_, "456789");
}

TEST_F(CommandLineTest, GetNamesMissingArtifact) {
  SetEnd("artifacts { name: 'a' }");
  EXPECT_EQ(Run({"artifact", "get", "7f3a", "b"}), 2);
  EXPECT_THAT(error_, HasSubstr("build 7f3a0000 has no such artifact"));
}

TEST_F(CommandLineTest, DefaultFolderStaysOutOfTheRepositoryItLiesIn) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  SetEnd("artifacts { name: 'a' size_bytes: 1 sha256: '" + Sha256::Of("x") + "' }");
  master_.SetBytes("x");
  EXPECT_EQ(Run({"artifact", "get", "7f3a", "b"}), 2);
  EXPECT_FALSE(std::filesystem::exists("out"));
  EXPECT_EQ(Run({"artifact", "get", "7f3a"}), 0) << error_;
  EXPECT_EQ(ReadFile("out/.gitignore").value(), "*\n");
  EXPECT_EQ(ReadFile("out/7f3a0000/a").value(), "x");
  std::filesystem::current_path(before);
}

TEST_F(CommandLineTest, WordsThatCannotBeReadAreToldAsJsonToo) {
  EXPECT_EQ(Run({"build", "list", "--json", "--colour"}), 2);
  EXPECT_THAT(out_, testing::StartsWith("{\"error\":{\"code\":\"INVALID_ARGUMENT\","));
  EXPECT_EQ(Run({"build", "submit", "--command", "--arch", "arm64", "--pth", "x", "--", "ls", "--json"}), 2);
  EXPECT_EQ(out_, "") << "that word is the command's";
  EXPECT_EQ(Run({"buld", "list"}), 2);
  EXPECT_THAT(error_, HasSubstr("did you mean 'build"));
  EXPECT_EQ(Run({"build", "submit", "x", "--arch", "arm46"}), 2);
  EXPECT_THAT(error_,
              HasSubstr("'--arch' cannot be 'arm46', only one of: amd64, arm64, armhf, riscv64, armel; "
                        "did you mean 'arm64'?"));
}

TEST_F(CommandLineTest, HelpComesForEveryCommand) {
  EXPECT_EQ(Run({"help", "build", "submit"}), 0);
  EXPECT_EQ(Run({"build", "submit", "--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("Examples:"));
  EXPECT_EQ(Run({"help", "bild"}), 2);
  EXPECT_EQ(Run({"--version"}), 0);
}

TEST_F(CommandLineTest, SpecCheckTellsGoodFromBad) {
  EXPECT_EQ(Run({"spec", "check", (folder_.path() / "none").string()}), 2);
  EXPECT_THAT(error_, HasSubstr("no such folder"));
  ASSERT_TRUE(WriteFileAtomically(
                  folder_.path() / "configuration.yml",
                  "package_manager: {apt: {suite: bookworm}}\npackages: {}\npost_install_command: []\n")
                  .ok());
  EXPECT_EQ(Run({"spec", "check", folder_.path().string()}), 2);
  EXPECT_THAT(out_, HasSubstr("did you mean 'post_install_commands'?"));
  EXPECT_THAT(out_, HasSubstr("Nothing was built."));
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / "configuration.yml",
                                  "package_manager: {apt: {suite: bookworm}}\npackages: {busybox: {}}\n")
                  .ok());
  EXPECT_EQ(Run({"spec", "check", folder_.path().string(), "--json"}), 0);
  EXPECT_EQ(out_, "{\"package_manager\":\"apt\",\"packages\":1,\"warnings\":0}\n");
}

// `spec check` of Portage specifications, in folders and repositories.
class SpecCheckTest : public CommandLineTest {
 protected:
  std::string Spec() const { return (folder_.path() / "spec").string(); }
  void Write(const std::string& text) {
    std::filesystem::create_directories(Spec());
    ASSERT_TRUE(WriteFileAtomically(Spec() + "/configuration.yml", text).ok());
  }
  void Commit(const std::string& branch) {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"init", "-q", "-b", branch},
          {"add", "."},
          {"-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "one"}}) {
      SubprocessSpec git;
      git.argv = {"git", "-C", Spec()};
      git.argv.insert(git.argv.end(), arguments.begin(), arguments.end());
      ASSERT_TRUE(CheckSubprocess(git, Deadline::In(absl::Minutes(1)), {}).ok());
    }
  }
};

constexpr char kPortage[] = "packages:\n  sys-apps/systemd: {kw: {+: '~amd64'}}\n";

TEST_F(SpecCheckTest, FolderIsCheckedForThePlatformThatIsAsked) {
  Write(kPortage);
  EXPECT_EQ(Run({"spec", "check", Spec()}), 0);
  EXPECT_EQ(out_,
            "This specification is good: 1 package asked.\n"
            "No platform: no branch is known that could name one; --platform NAME checks it for one.\n");
  EXPECT_EQ(Run({"spec", "check", Spec(), "--platform", "arm64"}), 0);
  EXPECT_THAT(out_, HasSubstr("warning: '~amd64' is a keyword of another architecture; this one is arm64"));
  EXPECT_THAT(out_, HasSubstr("1 package asked, for the platform arm64; 1 warning.\n"));
  EXPECT_EQ(Run({"spec", "check", Spec(), "--platform", "arm46"}), 2);
  EXPECT_THAT(error_, HasSubstr("did you mean 'arm64'?"));
}

TEST_F(SpecCheckTest, BranchOfALocalRepositoryNamesThePlatform) {
  Write(kPortage);
  Commit("amd64_gateway");
  EXPECT_EQ(Run({"spec", "check", Spec()}), 0);
  EXPECT_THAT(out_, HasSubstr("for the platform amd64.\n"));
}

TEST_F(SpecCheckTest, RepositoryIsFetchedAndItsBranchNamesThePlatform) {
  Write(kPortage);
  Commit("armv7a_hardfp_gateway");
  EXPECT_EQ(Run({"spec", "check", "file://" + Spec() + "#armv7a_hardfp_gateway", "--json", "--translate"}), 0)
      << error_;
  EXPECT_THAT(out_, HasSubstr("{\"severity\":\"warning\",\"file\":\"configuration.yml\",\"line\":2,"));
  EXPECT_THAT(out_, HasSubstr("{\"package_manager\":\"portage\",\"packages\":1,\"platform\":\"armv7a_"
                              "hardfp\",\"warnings\":1}\n"));
  EXPECT_THAT(
      out_,
      HasSubstr(
          "{\"path\":\"etc/portage/package.accept_keywords/zz-rootwright\",\"when\":\"after_overlay\""));
  EXPECT_EQ(Run({"spec", "check", Spec() + "#nothing"}), 2);
  EXPECT_THAT(error_, HasSubstr("no such branch, tag or commit: 'nothing'"));
  EXPECT_EQ(Run({"spec", "check", "file://" + Spec() + "#armv7a_hardfp_gateway", "--path", "none"}), 2);
  EXPECT_THAT(error_, HasSubstr("no such folder: 'none'"));
}

TEST_F(SpecCheckTest, BranchWithoutPlatformIsAMistakeOnlyForPortage) {
  Write(kPortage);
  Commit("arm64-gateway");
  EXPECT_EQ(Run({"spec", "check", Spec() + "#arm64-gateway"}), 2);
  EXPECT_THAT(
      out_,
      HasSubstr(
          "#arm64-gateway: error: branch 'arm64-gateway' names no platform; did you mean 'arm64_gateway'?"));
  Write("package_manager: {apt: {suite: bookworm}}\npackages: {nano: {version: 7.2-1}}\n");
  Commit("arm64-gateway");
  EXPECT_EQ(Run({"spec", "check", Spec() + "#arm64-gateway", "--translate"}), 0) << out_;
  EXPECT_THAT(out_, HasSubstr("apt is asked, in bookworm main, for\n    nano=7.2-1\n"));
}

TEST_F(SpecCheckTest, PlatformsFileOfOnesOwn) {
  Write(kPortage);
  const std::string file = (folder_.path() / "p.textproto").string();
  ASSERT_TRUE(
      WriteFileAtomically(file, "platform { name: 'board' architecture: 'arm64' chost: 'x' cflags: '-O3' }")
          .ok());
  EXPECT_EQ(Run({"spec", "check", Spec(), "--platform", "board", "--platforms", file, "--translate"}), 0);
  EXPECT_THAT(
      out_, HasSubstr("\netc/portage/make.conf (added to what is there, before the pre-install overlay)\n"));
  EXPECT_THAT(out_, HasSubstr("    COMMON_FLAGS=\"-O3\"\n"));
  ASSERT_TRUE(WriteFileAtomically(file, "platform {\n  nam: 'board'\n}").ok());
  EXPECT_EQ(Run({"spec", "check", Spec(), "--platforms", file}), 2);
  EXPECT_THAT(error_, HasSubstr(file + ":2:3: unknown field 'nam'; did you mean 'name'?\n"));
}

TEST_F(SpecCheckTest, InitWritesWhatCheckPasses) {
  for (const char* kind : {"apt", "portage"}) {
    const std::string target = (folder_.path() / kind / "new").string();
    EXPECT_EQ(Run({"spec", "init", target, "--package-manager", kind}), 0) << error_;
    EXPECT_THAT(out_, HasSubstr("rootwright spec check " + target));
    EXPECT_EQ(Run({"spec", "check", target}), 0);
    EXPECT_THAT(out_, HasSubstr("This specification is good: 3 packages asked.\n"));
    EXPECT_EQ(Run({"spec", "init", target}), 2);
    EXPECT_THAT(error_, HasSubstr("is there already, and was left as it is"));
  }
}

}  // namespace
}  // namespace rootwright::cli
