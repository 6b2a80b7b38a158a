#include "debian/apt_state.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/file.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const AptSource kSource = {
    "http://deb.debian.org/debian", "bookworm", {"main", "contrib"}, "/usr/share/keyrings/x.gpg"};

TEST(SourcesList, NamesArchitectureAndKeyring) {
  EXPECT_EQ(*SourcesList(Architecture::kArm64, {kSource}),
            "deb [arch=arm64 signed-by=/usr/share/keyrings/x.gpg] http://deb.debian.org/debian bookworm main "
            "contrib\n");
}

TEST(SourcesList, RefusesWhatWouldAddAnOptionOrALine) {
  for (const char* bad : {"", "http://x y", "http://x\ndeb", "[trusted=yes]", "http://x#"}) {
    AptSource source = kSource;
    source.mirror = bad;
    EXPECT_EQ(SourcesList(Architecture::kArm64, {source}).status().code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
  EXPECT_FALSE(SourcesList(Architecture::kArm64, {}).ok());
}

TEST(NetworkSettings, TakesProxiesAndLeavesHooks) {
  const std::string taken = NetworkSettings(
      "APT::Update::Post-Invoke:: \"rm -f /x\";\nAcquire::http::Proxy \"http://proxy:3128\";\n"
      "Acquire::https::Verify-Peer \"true\";\nAcquire::Check-Date "
      "\"false\";\nAcquire::AllowInsecureRepositories \"1\";\n"
      "Acquire::GzipIndexes \"true\";\nAcquire::http::Broken \"no end\n");
  EXPECT_THAT(taken, HasSubstr("Acquire::http::Proxy \"http://proxy:3128\";"));
  EXPECT_THAT(taken, HasSubstr("Acquire::https::Verify-Peer"));
  EXPECT_THAT(taken, HasSubstr("Acquire::Check-Date \"false\";"));
  EXPECT_THAT(taken, Not(HasSubstr("Post-Invoke")));
  EXPECT_THAT(taken, Not(HasSubstr("AllowInsecure")));
  EXPECT_THAT(taken, Not(HasSubstr("Broken")));
}

TEST(AptState, SecondOneWaitsForTheFirst) {
  const auto folder = ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-");
  auto first = AptState::Open(folder->path(), Architecture::kArm64, {kSource}, Deadline::Never(), {});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto late =
      AptState::Open(folder->path(), Architecture::kArm64, {kSource}, Deadline::In(absl::ZeroDuration()), {});
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded);
  const auto other = AptState::Open(folder->path(), Architecture::kArmhf, {kSource}, Deadline::Never(), {});
  EXPECT_TRUE(other.ok()) << "another architecture has a state of its own";
}

TEST(AptState, AptSeesNothingOfTheHost) {
  const auto folder = ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-");
  const auto state = AptState::Open(folder->path(), Architecture::kArm64, {kSource}, Deadline::Never(), {});
  ASSERT_TRUE(state.ok()) << state.status();
  const auto dump = state->Run({"apt-config", "dump"}, Deadline::Never(), {});
  ASSERT_TRUE(dump.ok());
  EXPECT_THAT(dump->output, HasSubstr("APT::Architecture \"arm64\""));
  EXPECT_THAT(dump->output, Not(HasSubstr("Invoke:: ")));
  const auto installed = state->Run({"apt-cache", "policy", "dpkg"}, Deadline::Never(), {});
  EXPECT_THAT(installed->output, Not(HasSubstr("Installed: 1")));
}

}  // namespace
}  // namespace rootwright
