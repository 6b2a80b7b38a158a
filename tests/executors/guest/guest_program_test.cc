// The guest program against a host played by hand.

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "executors/guest/protocol.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/executors/guest/guest_process.h"

namespace rootwright {
namespace {

guest::Exec Shell(uint32_t request, uint32_t window, std::string_view script) {
  guest::Exec exec;
  exec.request = request;
  exec.window = window;
  exec.root = "/";
  exec.working_directory = "/";
  exec.argv = {"/bin/sh", "-c", script};
  return exec;
}

class GuestProgramTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(host_.Greet(1)); }

  GuestProcess process_;
  RawPeer host_{process_.ConnectRaw()};
};

TEST_F(GuestProgramTest, SendsNoMoreOutputThanItsCredit) {
  constexpr size_t kWindow = 100'000;
  host_.Send(Shell(1, kWindow, "exec cat /dev/zero"));
  size_t got = 0;
  while (got < kWindow) {
    const auto output = host_.Expect<guest::Output>();
    ASSERT_TRUE(output);
    got += output->data.size();
  }
  EXPECT_EQ(got, kWindow);
  host_.Send(guest::Ping{5});
  const auto pong = host_.Expect<guest::Pong>();
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->token, 5u);
  host_.Send(guest::Credit{1, 10});
  const auto more = host_.Expect<guest::Output>();
  ASSERT_TRUE(more);
  EXPECT_EQ(more->data.size(), 10u);
}

TEST_F(GuestProgramTest, APingIsAnsweredWithinAFlood) {
  host_.Send(Shell(1, 1 << 20, "exec cat /dev/zero"));
  host_.Send(guest::Ping{6});
  // What was under way comes first, but never all that the window allows.
  size_t before = 0;
  for (;;) {
    const auto frame = host_.Receive();
    ASSERT_TRUE(frame);
    if (frame->type == guest::MessageType::kPong) break;
    ASSERT_EQ(frame->type, guest::MessageType::kOutput);
    before += frame->payload.size();
  }
  EXPECT_LT(before, size_t{1} << 20);
}

TEST_F(GuestProgramTest, RunsTwoCommandsAtOnceAndKillsOnlyTheOneMeant) {
  host_.Send(Shell(1, 1000, "exec sleep 1000"));
  host_.Send(Shell(2, 1000, "read line; echo two"));
  host_.Send(Shell(3, 1000, "while :; do sleep 0.01; done"));
  host_.Send(guest::Signal{1, SIGKILL});
  for (bool ended = false; !ended;) {
    const auto frame = host_.Receive();
    ASSERT_TRUE(frame);
    guest::Exited exited;
    if (!guest::Decode(frame->payload, exited)) continue;
    if (exited.request != 1) continue;  // the second reads an empty standard input
    EXPECT_EQ(exited.signal, SIGKILL);
    ended = true;
  }
  host_.Send(guest::Signal{3, SIGKILL});
  for (;;) {
    const auto frame = host_.Receive();
    ASSERT_TRUE(frame);
    guest::Exited exited;
    if (guest::Decode(frame->payload, exited) && exited.request == 3) break;
  }
}

TEST_F(GuestProgramTest, GarbageFromTheHostEndsTheSessionOnly) {
  host_.Send(Shell(1, 1000, "echo $$; exec sleep 1000"));
  const auto output = host_.Expect<guest::Output>();
  ASSERT_TRUE(output);
  const pid_t command = std::atoi(std::string(output->data).c_str());
  host_.SendBytes(std::string(5000, '?'));
  host_.Hunt();
  EXPECT_TRUE(host_.Greet(2));
  EXPECT_TRUE(WaitUntilGone(command));
}

TEST_F(GuestProgramTest, ADuplicateRequestIdEndsTheSession) {
  host_.Send(Shell(1, 1000, "exec sleep 1000"));
  host_.Send(Shell(1, 1000, "echo twice"));
  host_.Hunt();
  EXPECT_TRUE(host_.Greet(2));
}

TEST_F(GuestProgramTest, HearsAGreetingAgainAfterHalfAMessage) {
  // What a host left that was killed in mid-sentence, on a port that never closed.
  std::string half;
  guest::AppendMessage(half, guest::Input{1, std::string(1000, 'x')});
  UniqueFd connection = process_.ConnectRaw();
  ASSERT_EQ(send(connection.get(), half.data(), 100, MSG_NOSIGNAL), 100);
  RawPeer first(std::move(connection));
  ASSERT_TRUE(first.Greet(2));
  first.SendBytes(half.substr(0, 100));
  const auto channel = GuestChannel::Adopt(UniqueFd(dup(first.fd())), Soon(), {});
  EXPECT_TRUE(channel.ok()) << channel.status();
}

TEST_F(GuestProgramTest, TheNewestConnectionCounts) {
  RawPeer other(process_.ConnectRaw());
  EXPECT_TRUE(other.Greet(2));
  EXPECT_FALSE(host_.Receive());
}

TEST_F(GuestProgramTest, AnErrorAmidAFileIsSaidOnce) {
  const std::string path = process_.folder() / "file";
  host_.Send(guest::PutFile{1, 0644, 10, 0, path, "12345"});
  host_.Send(guest::PutFile{1, 0644, 10, 7, path, "890"});
  host_.Send(guest::PutFile{1, 0644, 10, 5, path, "67890"});
  host_.Send(guest::Ping{1});
  EXPECT_TRUE(host_.Expect<guest::Error>());
  EXPECT_TRUE(host_.Expect<guest::Pong>());
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace rootwright
