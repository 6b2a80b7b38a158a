// Shells against the real guest program, over the second of its two sockets.

#include "executors/guest/guest_shells.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "executors/guest/guest_channel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/executors/guest/guest_process.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;

class GuestShellsTest : public testing::Test {
 protected:
  void SetUp() override {
    int build[2], shells[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, build), 0);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, shells), 0);
    guest_ = fork();
    if (guest_ == 0) {
      // Out of the way of what dup2 closes.
      const int a = dup(build[1]), b = dup(shells[1]);
      execl(ROOTWRIGHT_GUEST, ROOTWRIGHT_GUEST, "--fds", std::to_string(a).c_str(), std::to_string(b).c_str(),
            nullptr);
      _exit(127);
    }
    close(build[1]);
    close(shells[1]);
    auto channel = GuestChannel::Adopt(UniqueFd(build[0]), Soon(), {});
    ASSERT_TRUE(channel.ok()) << channel.status();
    channel_ = *std::move(channel);
    auto started = GuestShells::Start(UniqueFd(shells[0]), Soon(), {});
    ASSERT_TRUE(started.ok()) << started.status();
    shells_ = *std::move(started);
  }
  void TearDown() override {
    shells_.reset();
    channel_.reset();
    if (guest_ > 0) waitpid(guest_, nullptr, 0);
  }

  std::unique_ptr<Shell> Open(const std::string& script, std::optional<TerminalSize> terminal = {}) {
    ShellCommand command;
    command.argv = {"sh", "-c", script};
    command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"TERM", "dumb"}};
    command.terminal = terminal;
    auto shell = shells_->Open(command, "/");
    EXPECT_TRUE(shell.ok()) << shell.status();
    return shell.ok() ? *std::move(shell) : nullptr;
  }

  struct Whole {
    std::string out;
    std::string err;
    absl::Status status;
    CommandResult result;
  };
  // Reads until the end, or until `until` is in the output.
  static Whole ReadAll(Shell& shell, const std::string& until = "") {
    Whole whole;
    for (;;) {
      const auto said = shell.Read();
      whole.status = said.status();
      if (!said.ok()) return whole;
      if (said->result) {
        whole.result = *said->result;
        return whole;
      }
      (said->stream == OutputStream::kStdout ? whole.out : whole.err) += said->data;
      if (!until.empty() && whole.out.find(until) != std::string::npos) return whole;
    }
  }

  pid_t guest_ = 0;
  std::unique_ptr<GuestChannel> channel_;
  std::unique_ptr<GuestShells> shells_;
};

TEST_F(GuestShellsTest, WithPipesStreamsAreApartAndTheStatusIsPassedOn) {
  const auto shell = Open("cat; echo oh >&2; exit 7");
  ASSERT_TRUE(shell->Write("typed\n").ok());
  shell->EndInput();
  const Whole whole = ReadAll(*shell);
  EXPECT_TRUE(whole.status.ok()) << whole.status;
  EXPECT_EQ(whole.out, "typed\n");
  EXPECT_EQ(whole.err, "oh\n");
  EXPECT_EQ(whole.result.exit_code, 7);
}

TEST_F(GuestShellsTest, ATerminalHasItsSizeAndIsResized) {
  const auto shell = Open(
      "tty >/dev/null || exit 9; stty size; trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep "
      "0.05; done",
      TerminalSize{31, 97});
  EXPECT_THAT(ReadAll(*shell, "ready").out, HasSubstr("31 97"));
  shell->Resize({50, 120});
  const Whole whole = ReadAll(*shell);
  EXPECT_THAT(whole.out, HasSubstr("50 120"));
  EXPECT_EQ(whole.result.exit_code, 5);
}

TEST_F(GuestShellsTest, KeysOfATerminalAreSignals) {
  const auto shell =
      Open("trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done", TerminalSize{});
  ReadAll(*shell, "ready");
  ASSERT_TRUE(shell->Write("\x03").ok());
  const Whole whole = ReadAll(*shell);
  EXPECT_THAT(whole.out, HasSubstr("caught"));
  EXPECT_EQ(whole.result.exit_code, 3);
}

TEST_F(GuestShellsTest, ASignalIsToldAsSuch) {
  const Whole whole = ReadAll(*Open("kill -TERM $$; sleep 60"));
  EXPECT_EQ(whole.result.signal, SIGTERM);
}

TEST_F(GuestShellsTest, RunsBesideTheBuildsCommandAndBesideOthers) {
  const auto first = Open("echo one; cat");
  const auto second = Open("echo two; cat");
  std::string seen;
  EnvironmentCommand command;
  command.argv = {"sh", "-c", "echo begun; sleep 0.5; echo over"};
  command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
  std::thread build([&] {
    const auto result = channel_->Run(
        command, [&](OutputStream, absl::string_view data) { seen += std::string(data); }, Soon(), {});
    EXPECT_TRUE(result.ok() && result->ok());
  });
  EXPECT_EQ(ReadAll(*first, "one\n").out, "one\n");
  EXPECT_EQ(ReadAll(*second, "two\n").out, "two\n");
  ASSERT_TRUE(second->Write("more").ok());
  EXPECT_EQ(ReadAll(*second, "more").out, "more");
  build.join();
  EXPECT_EQ(seen, "begun\nover\n");
}

TEST_F(GuestShellsTest, ABuildThatIsStoppedLeavesShellsAloneAndAHungUpShellLeavesTheBuildsDaemons) {
  EnvironmentCommand daemon;
  daemon.argv = {"sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"};
  daemon.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
  const auto shell = Open("(sleep 301 & echo $!); echo ready; cat");
  const std::string said = ReadAll(*shell, "ready").out;
  const pid_t of_shell = std::stoi(said);
  std::string printed;
  ASSERT_TRUE(channel_
                  ->Run(daemon, [&](OutputStream, absl::string_view data) { printed += std::string(data); },
                        Soon(), {})
                  .ok());
  const pid_t of_build = std::stoi(printed);
  // Stopped at once: TERM to all of its processes, the daemon's orphan too, but not the shell's.
  EnvironmentCommand long_one;
  long_one.argv = {"sleep", "300"};
  EXPECT_FALSE(channel_->Run(long_one, {}, Deadline::In(absl::Milliseconds(200)), {}).ok());
  EXPECT_EQ(kill(of_shell, 0), 0);
  shell->HangUp();
  EXPECT_TRUE(WaitUntilGone(of_shell));
  EXPECT_EQ(kill(of_build, 0), 0);
  kill(of_build, SIGKILL);
}

TEST_F(GuestShellsTest, BulkGoesBothWaysAndIsHeldBackWhileNobodyReads) {
  const auto shell = Open("cat");
  const std::string bulk(3 << 20, 'x');
  std::thread writer([&] {
    EXPECT_TRUE(shell->Write(bulk).ok());
    shell->EndInput();
  });
  const Whole whole = ReadAll(*shell);
  writer.join();
  EXPECT_EQ(whole.out, bulk);
  EXPECT_TRUE(whole.result.ok());
}

TEST_F(GuestShellsTest, AWriterThatWaitsIsFreedByHangUp) {
  const auto shell = Open("sleep 300");
  absl::Status written;
  std::thread writer([&] { written = shell->Write(std::string(4 << 20, 'x')); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  shell->HangUp();
  writer.join();
  EXPECT_TRUE(absl::IsCancelled(written)) << written;
  EXPECT_TRUE(absl::IsCancelled(shell->Read().status()));
}

TEST_F(GuestShellsTest, WhatIgnoresTheHangUpIsKilled) {
  const auto shell = Open("trap '' HUP; echo $$; while :; do sleep 1; done");
  const pid_t pid = std::stoi(ReadAll(*shell, "\n").out);
  shell->HangUp();
  EXPECT_TRUE(WaitUntilGone(pid));
}

TEST_F(GuestShellsTest, EndsWithTheGuest) {
  const auto shell = Open("echo ready; cat", TerminalSize{});
  ReadAll(*shell, "ready");
  kill(guest_, SIGKILL);
  EXPECT_TRUE(absl::IsUnavailable(ReadAll(*shell).status));
  EXPECT_TRUE(absl::IsUnavailable(shells_->Open(ShellCommand{{"true"}}, "/").status()));
}

TEST_F(GuestShellsTest, AProgramThatIsNotThereSaysSo) {
  ShellCommand command;
  command.argv = {"/no/such/program"};
  auto shell = shells_->Open(command, "/");
  ASSERT_TRUE(shell.ok());
  const Whole whole = ReadAll(**shell);
  EXPECT_EQ(whole.result.exit_code, 127);
  EXPECT_THAT(whole.err, HasSubstr("/no/such/program"));
}

TEST_F(GuestShellsTest, ARootThatIsNotThereIsRefused) {
  ShellCommand command;
  command.argv = {"true"};
  auto shell = shells_->Open(command, "/no/such/root");
  ASSERT_TRUE(shell.ok());
  EXPECT_THAT(ReadAll(**shell).status.ToString(), HasSubstr("/no/such/root"));
}

TEST(HostileShells, OutputBeyondTheWindowEndsTheConnection) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  RawPeer guest{UniqueFd(ends[1])};
  std::unique_ptr<GuestShells> shells;
  std::thread host([&] {
    auto started = GuestShells::Start(UniqueFd(ends[0]), Soon(), {});
    ASSERT_TRUE(started.ok()) << started.status();
    shells = *std::move(started);
  });
  ASSERT_TRUE(guest.AnswerGreeting());
  host.join();
  auto shell = shells->Open(ShellCommand{{"sh"}}, "/");
  ASSERT_TRUE(shell.ok());
  const auto asked = guest.Expect<guest::Shell>();
  ASSERT_TRUE(asked.has_value());
  const std::string piece(guest::kMaxChunk, 'x');
  for (uint32_t sent = 0; sent <= asked->window; sent += static_cast<uint32_t>(piece.size()))
    guest.Send(guest::Output{asked->request, 1, piece});
  // Nobody reads meanwhile, and so nothing is credited.
  EXPECT_FALSE(guest.Receive().has_value());
  absl::Status end;
  while (end.ok()) end = (*shell)->Read().status();
  EXPECT_THAT(end.ToString(), HasSubstr("broke the protocol"));
}

TEST(HostileShells, WhatIsForNobodyEndsTheConnection) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  RawPeer guest{UniqueFd(ends[1])};
  std::unique_ptr<GuestShells> shells;
  std::thread host([&] {
    auto started = GuestShells::Start(UniqueFd(ends[0]), Soon(), {});
    ASSERT_TRUE(started.ok()) << started.status();
    shells = *std::move(started);
  });
  ASSERT_TRUE(guest.AnswerGreeting());
  host.join();
  guest.Send(guest::Exited{5, 0, 0, 0, 0, 0});
  EXPECT_FALSE(guest.Receive().has_value());
}

}  // namespace
}  // namespace rootwright
