#include "executors/network/network_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>

#include "base/file.h"

namespace rootwright {
namespace {

Deadline Soon() { return Deadline::In(absl::Minutes(1)); }

// A program that gets "--pid FILE".
SubprocessSpec Script(const std::string& script) { return {.argv = {"/bin/sh", "-c", script, "sh"}}; }

TEST(NetworkProgram, IsBackOnceItIsReadyAndEndsItWithItself) {
  const absl::StatusOr<ScopedFolder> folder =
      ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-program-");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::filesystem::path file = folder->path() / "pid";
  auto program = NetworkProgram::Start(
      Script("echo $$ >" + file.string() + "; echo $$ >\"$2\"; exec sleep 1000"), "test", Soon(), {});
  ASSERT_TRUE(program.ok()) << program.status();
  const pid_t pid = std::stoi(*ReadFile(file));
  EXPECT_EQ(kill(pid, 0), 0);
  program->reset();
  EXPECT_NE(kill(pid, 0), 0);
}

TEST(NetworkProgram, SaysWhyOneThatEndsIsNotReady) {
  const auto program =
      NetworkProgram::Start(Script("echo no routable interface >&2; exit 3"), "test", Soon(), {});
  EXPECT_EQ(program.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(program.status().message(), "network of test: /bin/sh: exit 3: no routable interface");
}

TEST(NetworkProgram, IsNotWaitedForBeyondTheDeadline) {
  const auto program =
      NetworkProgram::Start(Script("exec sleep 1000"), "test", Deadline::In(absl::Milliseconds(100)), {});
  EXPECT_EQ(program.status().code(), absl::StatusCode::kDeadlineExceeded) << program.status();
}

TEST(NetworkProgram, ThatIsMissingIsNamed) {
  const auto program = NetworkProgram::Start({.argv = {"no-such-pasta"}}, "test", Soon(), {});
  EXPECT_THAT(std::string(program.status().message()), testing::HasSubstr("no-such-pasta"));
}

}  // namespace
}  // namespace rootwright
