// GuestChannel against the real guest program.

#include "executors/guest/guest_channel.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/executors/file_sink.h"
#include "tests/executors/guest/guest_process.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;

struct Kept {
  std::string out;
  std::string err;
  OutputSink Sink() {
    return [this](OutputStream stream, absl::string_view data) {
      (stream == OutputStream::kStdout ? out : err).append(data.data(), data.size());
    };
  }
};

EnvironmentCommand Shell(const std::string& script) {
  EnvironmentCommand command;
  command.argv = {"sh", "-c", script};
  command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
  return command;
}

int FirstNumber(const std::string& text) {
  int number = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text.substr(0, text.find_first_of(" \n")), &number)) << text;
  return number;
}

class GuestChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    channel_ = process_.Connect();
    ASSERT_NE(channel_, nullptr);
  }
  absl::StatusOr<CommandResult> Run(const EnvironmentCommand& command, Deadline deadline = Soon(),
                                    std::stop_token stop = {}) {
    return channel_->Run(command, kept_.Sink(), deadline, stop);
  }

  GuestProcess process_;
  std::unique_ptr<GuestChannel> channel_;
  Kept kept_;
};

TEST_F(GuestChannelTest, KeepsStdoutAndStderrApart) {
  const auto result = Run(Shell("echo to out; echo to err >&2; exit 3"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->signal, 0);
  EXPECT_EQ(kept_.out, "to out\n");
  EXPECT_EQ(kept_.err, "to err\n");
}

TEST_F(GuestChannelTest, TellsTheSignalThatEndedACommand) {
  const auto result = Run(Shell("kill -SEGV $$"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->signal, SIGSEGV);
  EXPECT_EQ(result->exit_code, 0);
}

TEST_F(GuestChannelTest, CountsTimeAndMemoryOfChildrenToo) {
  const auto result = Run(Shell("sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'"));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->cpu, absl::ZeroDuration());
  EXPECT_GT(result->wall, absl::ZeroDuration());
  EXPECT_GT(result->peak_memory_bytes, 0);
}

TEST_F(GuestChannelTest, GivesExactlyTheVariablesAndFolderAsked) {
  EnvironmentCommand command;
  command.argv = {"/bin/sh", "-c", "pwd; exec env"};
  command.variables = {{"PATH", "/usr/bin"}, {"WORD", "two words"}};
  command.working_directory = process_.folder();
  const auto result = Run(command);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(kept_.out, HasSubstr(process_.folder().string() + "\n"));
  EXPECT_THAT(kept_.out, HasSubstr("WORD=two words\n"));
  EXPECT_EQ(kept_.out.find("HOME="), std::string::npos);
}

TEST_F(GuestChannelTest, FeedsAMebibyteOfInput) {
  EnvironmentCommand command = Shell("wc -c");
  command.input = std::string(1 << 20, 'i');
  ASSERT_TRUE(Run(command).ok());
  EXPECT_EQ(FirstNumber(kept_.out), 1 << 20);
}

TEST_F(GuestChannelTest, PassesOverInputThatNobodyReads) {
  EnvironmentCommand command = Shell("exec <&-; echo done");
  command.input = std::string(1 << 20, 'i');
  const auto result = Run(command);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(kept_.out, "done\n");
}

TEST_F(GuestChannelTest, RefusesMoreInputThanAMebibyte) {
  EnvironmentCommand command = Shell("cat");
  command.input = std::string((1 << 20) + 1, 'i');
  EXPECT_TRUE(absl::IsInvalidArgument(Run(command).status()));
  EXPECT_TRUE(Run(Shell("true")).ok());
}

TEST_F(GuestChannelTest, RefusesArgumentsThatFillNoFrame) {
  const auto result = Run(Shell(std::string(300'000, ':')));
  EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
  EXPECT_TRUE(Run(Shell("true")).ok());
}

TEST_F(GuestChannelTest, AMissingProgramIsTheCommandsFailure) {
  EnvironmentCommand command;
  command.argv = {"no-such-program"};
  const auto result = Run(command);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 127);
  EXPECT_THAT(kept_.err, HasSubstr("start: no-such-program: No such file or directory"));
}

TEST_F(GuestChannelTest, AMissingRootIsNotTheCommandsFailure) {
  EnvironmentCommand command = Shell("true");
  command.root = process_.folder() / "absent";
  const auto result = Run(command);
  EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
}

TEST_F(GuestChannelTest, RunsInsideAnotherRoot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to change roots";
  std::filesystem::copy_file(ROOTWRIGHT_GUEST_STATIC, process_.folder() / "program");
  EnvironmentCommand command;
  command.argv = {"/program"};
  command.root = process_.folder();
  const auto result = Run(command);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 2);
  EXPECT_THAT(kept_.err, HasSubstr("usage: rootwright-guest"));
}

TEST_F(GuestChannelTest, AFloodOfOutputTakesLittleMemory) {
  constexpr int64_t kFlood = 200'000'000;
  int64_t got = 0;
  const auto result = channel_->Run(
      Shell(absl::StrCat("head -c ", kFlood, " /dev/zero")),
      [&got](OutputStream, absl::string_view data) { got += static_cast<int64_t>(data.size()); }, Soon(), {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(got, kFlood);
  if (ROOTWRIGHT_SANITIZED == 0) {
    EXPECT_LT(process_.PeakMemoryBytes(), 16 << 20);
  }
}

TEST_F(GuestChannelTest, ForwardsALineWhileTheCommandGoesOn) {
  // The command waits for a file that is made when its first line has come.
  const std::filesystem::path gate = process_.folder() / "gate";
  const auto result = channel_->Run(
      Shell(absl::StrCat("echo first; while ! [ -e ", gate.string(), " ]; do sleep 0.01; done; echo second")),
      [&](OutputStream, absl::string_view data) {
        kept_.out.append(data.data(), data.size());
        if (kept_.out == "first\n") {
          EXPECT_TRUE(WriteFileAtomically(gate, "").ok());
        }
      },
      Soon(), {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(kept_.out, "first\nsecond\n");
}

TEST_F(GuestChannelTest, ADaemonThatHoldsThePipesDoesNotHoldTheCall) {
  const auto result = Run(Shell("sleep 1000 & echo $!"));
  ASSERT_TRUE(result.ok()) << result.status();
  const int daemon = FirstNumber(kept_.out);
  EXPECT_FALSE(IsGone(daemon));
  kill(daemon, SIGKILL);
}

TEST_F(GuestChannelTest, ALateCommandIsEnded) {
  const auto result = Run(Shell("echo $$; exec sleep 1000"), Deadline::In(absl::Milliseconds(300)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  if (!kept_.out.empty()) {
    EXPECT_TRUE(IsGone(FirstNumber(kept_.out)));
  }
  EXPECT_TRUE(channel_->Ping(Soon(), {}).ok());
}

TEST_F(GuestChannelTest, AStoppedCommandMayEndItselfInOrder) {
  std::stop_source stop;
  const auto result = channel_->Run(
      Shell("trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.01; done"),
      [&](OutputStream stream, absl::string_view data) {
        // The shell may have words about its child on stderr.
        if (stream == OutputStream::kStderr) return;
        kept_.out.append(data.data(), data.size());
        stop.request_stop();
      },
      Soon(), stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
  EXPECT_EQ(kept_.out, "ready\ncleaned\n");
}

TEST_F(GuestChannelTest, ATreeThatIgnoresTermIsKilled) {
  // A child in the group and one that has left session and parent; all of them ignore TERM.
  const std::string script =
      "trap '' TERM; sleep 1000 & echo $!; setsid sh -c 'sh -c \"echo \\$\\$; exec sleep 1000\" &'; echo "
      "all; wait";
  std::stop_source stop;
  const auto result = channel_->Run(
      Shell(script),
      [&](OutputStream, absl::string_view data) {
        kept_.out.append(data.data(), data.size());
        if (std::count(kept_.out.begin(), kept_.out.end(), '\n') == 3) stop.request_stop();
      },
      Soon(), stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
  std::istringstream lines(kept_.out);
  for (std::string line; std::getline(lines, line);) {
    if (line == "all") continue;
    EXPECT_TRUE(IsGone(FirstNumber(line))) << line;
  }
}

TEST_F(GuestChannelTest, ADyingGuestMakesTheCallUnavailable) {
  const auto result =
      channel_->Run(Shell("echo up; exec sleep 1000"),
                    [&](OutputStream, absl::string_view) { kill(process_.pid(), SIGKILL); }, Soon(), {});
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_TRUE(absl::IsUnavailable(channel_->Ping(Soon(), {})));
}

TEST_F(GuestChannelTest, CloseFreesTheCallThatWaits) {
  std::thread closer;
  const auto result = channel_->Run(
      Shell("echo up; exec sleep 1000"),
      [&](OutputStream, absl::string_view) { closer = std::thread([&] { channel_->Close(); }); }, Soon(), {});
  closer.join();
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
}

TEST_F(GuestChannelTest, ANewHostFindsNoCommandOfTheOld) {
  int pid = 0;
  (void)channel_->Run(Shell("echo $$; exec sleep 1000"),
                      [&](OutputStream, absl::string_view data) {
                        pid = FirstNumber(std::string(data));
                        channel_->Close();
                      },
                      Soon(), {});
  channel_ = process_.Connect();
  ASSERT_NE(channel_, nullptr);
  EXPECT_TRUE(WaitUntilGone(pid));
  EXPECT_TRUE(Run(Shell("true")).ok());
}

TEST_F(GuestChannelTest, PutsAndGetsAFileOfManyPieces) {
  std::string content;
  for (int i = 0; content.size() < 5'000'000; ++i) absl::StrAppend(&content, i, "\n");
  const std::string path = process_.folder() / "new/folders/file";
  ASSERT_TRUE(channel_->PutFile(path, 0750, content, Soon(), {}).ok());
  struct stat there {};
  ASSERT_EQ(stat(path.c_str(), &there), 0);
  EXPECT_EQ(there.st_mode & 07777, 0750u);
  std::string back;
  const absl::Status status = channel_->GetFile(path, 64 << 20, Into(back), Soon(), {});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(back == content);
}

TEST_F(GuestChannelTest, PutFileReplacesAndLeavesNothingBeside) {
  const std::filesystem::path folder = process_.folder() / "put";
  ASSERT_TRUE(channel_->PutFile((folder / "file").string(), 0644, "old", Soon(), {}).ok());
  ASSERT_TRUE(channel_->PutFile((folder / "file").string(), 0600, "", Soon(), {}).ok());
  EXPECT_EQ(*ReadFile(folder / "file"), "");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
}

TEST_F(GuestChannelTest, PutFileOverAFolderFailsAndTheChannelGoesOn) {
  const std::string path = process_.folder();
  const absl::Status status = channel_->PutFile(path, 0644, std::string(3'000'000, 'x'), Soon(), {});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_TRUE(channel_->Ping(Soon(), {}).ok());
}

TEST_F(GuestChannelTest, GetFileSaysWhyItCannot) {
  const std::string folder = process_.folder();
  std::string got;
  EXPECT_TRUE(absl::IsNotFound(channel_->GetFile(folder + "/absent", 1000, Into(got), Soon(), {})));
  EXPECT_TRUE(absl::IsInvalidArgument(channel_->GetFile(folder, 1000, Into(got), Soon(), {})));
  ASSERT_TRUE(WriteFileAtomically(folder + "/large", std::string(1001, 'x')).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(channel_->GetFile(folder + "/large", 1000, Into(got), Soon(), {})));
  ASSERT_EQ(mkfifo((folder + "/fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsInvalidArgument(channel_->GetFile(folder + "/fifo", 1000, Into(got), Soon(), {})));
}

TEST_F(GuestChannelTest, AContainersClockAndEntropyAreNotItsOwn) {
  EXPECT_TRUE(absl::IsPermissionDenied(channel_->SyncClock(absl::UnixEpoch(), Soon(), {})));
  EXPECT_TRUE(absl::IsPermissionDenied(channel_->Reseed("entropy", Soon(), {})));
}

TEST_F(GuestChannelTest, AMountOfNoDiskNamesIt) {
  const absl::Status status = channel_->Mount({"serial:nothing", "/mnt/x", "ext4", 0, ""}, Soon(), {});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("serial:nothing: there is "));
}

TEST_F(GuestChannelTest, ShutdownIsAnsweredBeforeTheEnd) {
  EXPECT_TRUE(channel_->Shutdown(Soon(), {}).ok());
  EXPECT_EQ(process_.Wait(), 0);
}

TEST(GuestChannel, ConnectStopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  const auto channel = GuestChannel::Connect("/nonexistent/guest.sock", Soon(), stop.get_token());
  EXPECT_TRUE(absl::IsCancelled(channel.status())) << channel.status();
}

TEST(GuestChannel, ConnectSaysWhatItWaitedFor) {
  const auto channel =
      GuestChannel::Connect("/nonexistent/guest.sock", Deadline::In(absl::Milliseconds(30)), {});
  EXPECT_TRUE(absl::IsDeadlineExceeded(channel.status()));
  EXPECT_THAT(std::string(channel.status().message()), HasSubstr("/nonexistent/guest.sock"));
}

}  // namespace
}  // namespace rootwright
