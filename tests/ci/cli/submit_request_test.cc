#include "ci/cli/submit_request.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "base/file.h"
#include "ci/cli/commands.h"

namespace rootwright::cli {
namespace {

using testing::HasSubstr;

class SubmitRequest : public testing::Test {
 protected:
  SubmitRequest()
      : folder_(ScopedFolder::Create(std::filesystem::temp_directory_path(), "cli-submit-").value()) {
    std::filesystem::create_directories(folder_.path() / "specs/.git");
    std::filesystem::create_directories(folder_.path() / "specs/boards/pi");
  }
  absl::StatusOr<v1::SubmitBuildRequest> Make(std::vector<std::string> words) {
    words.insert(words.begin(), {"build", "submit"});
    const auto arguments = ParseArguments(words, Commands(), GlobalOptions());
    if (!arguments.ok()) return arguments.status();
    return MakeSubmitRequest(*arguments, folder_.path());
  }
  std::string Complaint(const std::vector<std::string>& words) {
    return std::string(Make(words).status().message());
  }

  ScopedFolder folder_;
};

TEST_F(SubmitRequest, CarriesEveryOption) {
  const auto made = Make({"https://example.org/s.git",
                          "--arch",
                          "arm64",
                          "--cpu",
                          "cortex-a57",
                          "--ref",
                          "v2",
                          "--path",
                          "a/b",
                          "--label",
                          "rack=a",
                          "--priority",
                          "-5",
                          "--key",
                          "k",
                          "--wall",
                          "2h",
                          "--silence",
                          "90s",
                          "--memory",
                          "1GiB",
                          "--disk",
                          "8GiB",
                          "--vcpus",
                          "2",
                          "--format",
                          "tar.zst",
                          "--format",
                          "tar",
                          "--disable-shortcut",
                          "all",
                          "--isolation",
                          "machine",
                          "--network",
                          "outbound",
                          "--name",
                          "n",
                          "--go-on-for",
                          "1h",
                          "--afterwards",
                          "stop"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(
      made->ShortDebugString(),
      "request { target { architecture: ARCHITECTURE_ARM64 cpu_model: \"cortex-a57\" } isolation: "
      "ISOLATION_MACHINE source { url: "
      "\"https://example.org/s.git\" ref: \"v2\" path: \"a/b\" } rootfs { disabled_shortcuts: \"all\" "
      "} limits { wall { seconds: 7200 } "
      "silence { seconds: 90 } memory_bytes: 1073741824 vcpus: 2 disk_bytes: 8589934592 } outputs: "
      "OUTPUT_FORMAT_TAR_ZST outputs: "
      "OUTPUT_FORMAT_TAR required_labels { key: \"rack\" value: \"a\" } priority: -5 without_master { "
      "go_on_for { seconds: 3600 } "
      "afterwards: AFTERWARDS_STOP } display_name: \"n\" network: NETWORK_OUTBOUND } idempotency_key: \"k\"");
}

TEST_F(SubmitRequest, MakesLocalFolderAbsolute) {
  const auto made = Make({"specs/boards", "--arch", "armhf", "--path", "pi"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->request().source().url(), std::filesystem::canonical(folder_.path() / "specs").string());
  EXPECT_EQ(made->request().source().path(), "boards/pi");
}

TEST_F(SubmitRequest, CarriesCommand) {
  const auto made = Make(
      {"--command", "--arch", "arm64", "--env", "A=b=c", "--collect", "out.txt", "--", "sh", "-c", "true"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->request().command().ShortDebugString(),
            "argv: \"sh\" argv: \"-c\" argv: \"true\" environment { key: \"A\" value: \"b=c\" } collect: "
            "\"out.txt\"");
  EXPECT_FALSE(made->request().has_source());
}

TEST_F(SubmitRequest, TakesTheTargetFromTheBranchUnlessItIsGiven) {
  const std::string url = "https://example.org/specs.git";
  const auto made = Make({url, "--ref", "arm64_gateway"});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->request().target().architecture(), v1::ARCHITECTURE_ARM64);
  EXPECT_EQ(made->request().target().platform(), "arm64");
  EXPECT_EQ(made->request().target().cpu_model(), "cortex-a57");
  const auto given = Make({url, "--ref", "arm64_gateway", "--arch", "amd64"});
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->request().target().architecture(), v1::ARCHITECTURE_AMD64);
  EXPECT_EQ(given->request().target().platform(), "");
}

TEST_F(SubmitRequest, NamesWhatIsWrong) {
  EXPECT_THAT(Complaint({"specs"}), HasSubstr("for which architecture?"));
  EXPECT_THAT(Complaint({"--arch", "arm64"}), HasSubstr("missing SPEC"));
  EXPECT_THAT(Complaint({"nowhere", "--arch", "arm64"}), HasSubstr("no such folder"));
  EXPECT_THAT(Complaint({".", "--arch", "arm64"}), HasSubstr("not in a git repository"));
  EXPECT_THAT(Complaint({"specs", "--arch", "arm64", "--wall", "soon"}),
              HasSubstr("--wall: not a time: 'soon'"));
  EXPECT_THAT(Complaint({"specs", "--arch", "arm64", "--memory", "lots"}), HasSubstr("--memory: not a size"));
  EXPECT_THAT(Complaint({"specs", "--arch", "arm64", "--priority", "high"}),
              HasSubstr("--priority: not a whole number"));
  EXPECT_THAT(Complaint({"specs", "--arch", "arm64", "--label", "x"}),
              HasSubstr("--label: not of the form NAME=VALUE"));
  EXPECT_THAT(Complaint({"specs", "--arch", "arm64", "--env", "A=b"}),
              HasSubstr("--env: goes only with --command"));
  EXPECT_THAT(Complaint({"--command", "--arch", "arm64"}), HasSubstr("needs a program after '--'"));
}

TEST(IsRemoteUrl, TellsUrlsFromFolders) {
  EXPECT_TRUE(IsRemoteUrl("https://example.org/x"));
  EXPECT_TRUE(IsRemoteUrl("git@example.org:x/y.git"));
  EXPECT_FALSE(IsRemoteUrl("/srv/git/x"));
  EXPECT_FALSE(IsRemoteUrl("./odd/a:b"));
}

}  // namespace
}  // namespace rootwright::cli
