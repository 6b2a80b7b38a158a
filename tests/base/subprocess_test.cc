#include "base/subprocess.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "absl/strings/numbers.h"

namespace rootwright {
namespace {

absl::StatusOr<SubprocessResult> Execute(SubprocessSpec spec,
                                         Deadline deadline = Deadline::In(absl::Seconds(60)),
                                         std::stop_token stop = {}) {
  return RunSubprocess(spec, deadline, std::move(stop));
}

// True once the process is gone or only its exit status is left.
bool Gone(pid_t pid) {
  for (int i = 0; i < 500; ++i) {
    if (kill(pid, 0) != 0) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(RunSubprocess, KeepsBothOutputsApart) {
  const auto result = Execute({.argv = {"sh", "-c", "echo out; echo err >&2; exit 7"}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output, "out\n");
  EXPECT_EQ(result->error_output, "err\n");
  EXPECT_EQ(result->exit_code, 7);
  EXPECT_FALSE(result->ok());
}

TEST(RunSubprocess, TellsTheSignal) {
  const auto result = Execute({.argv = {"sh", "-c", "kill -TERM $$"}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->signal, SIGTERM);
}

TEST(RunSubprocess, FeedsInputLargerThanAPipe) {
  const std::string input(1 << 20, 'x');
  const auto result = Execute({.argv = {"wc", "-c"}, .input = input});
  ASSERT_TRUE(result.ok());
  int64_t count = 0;
  ASSERT_TRUE(absl::SimpleAtoi(result->output, &count));
  EXPECT_EQ(count, 1 << 20);
}

TEST(RunSubprocess, ProgramThatDoesNotReadItsInputIsNoError) {
  const auto result = Execute({.argv = {"true"}, .input = std::string(1 << 20, 'x')});
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->ok());
}

TEST(RunSubprocess, MissingProgramIsNotFound) {
  const auto result = Execute({.argv = {"no-such-program-here"}});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(result.status().message(), "start: no-such-program-here: No such file or directory");
}

TEST(RunSubprocess, EnvironmentReplacesTheCallersOwn) {
  const auto result = Execute({.argv = {"/usr/bin/env"}, .environment = {{{"ONLY", "this"}}}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->output, "ONLY=this\n");
}

TEST(RunSubprocess, DeadlineEndsTheWholeGroup) {
  pid_t child = 0;
  SubprocessSpec spec{.argv = {"sh", "-c", "sleep 1000 & echo $!; wait"}};
  spec.on_stdout = [&child](absl::string_view data) { ASSERT_TRUE(absl::SimpleAtoi(data, &child)); };
  // On a busy host the shell may need longer to get that far.
  for (absl::Duration limit = absl::Milliseconds(300); child == 0 && limit < absl::Minutes(1); limit *= 3) {
    EXPECT_EQ(Execute(spec, Deadline::In(limit)).status().code(), absl::StatusCode::kDeadlineExceeded);
  }
  ASSERT_GT(child, 0);
  EXPECT_TRUE(Gone(child));
}

TEST(RunSubprocess, StopEndsIt) {
  std::stop_source source;
  SubprocessSpec spec{.argv = {"sh", "-c", "echo up; sleep 1000"}};
  spec.on_stdout = [&source](absl::string_view) { source.request_stop(); };
  const auto result = Execute(spec, Deadline::Never(), source.get_token());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
}

TEST(RunSubprocess, GrandchildThatKeepsThePipeIsNotWaitedFor) {
  const auto result = Execute({.argv = {"sh", "-c", "sleep 1000 & echo done"}});
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->output, "done\n");
}

TEST(CheckSubprocess, NamesTheLastLineOfItsErrors) {
  const auto result =
      CheckSubprocess({.argv = {"sh", "-c", "echo one >&2; echo two >&2; exit 3"}}, Deadline::Never(), {});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_NE(result.status().message().find("exit 3: two"), absl::string_view::npos) << result.status();
}

}  // namespace
}  // namespace rootwright
