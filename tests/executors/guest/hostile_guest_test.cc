// GuestChannel against a guest played by hand, which means no good.

#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <string>
#include <thread>

#include "executors/guest/guest_channel.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/executors/guest/guest_process.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Plays `guest` in a thread of its own against `host`, which gets the socket's other end.
void Play(const std::function<void(RawPeer&)>& guest, const std::function<void(UniqueFd)>& host) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  std::thread player([&guest, fd = fds[0]] {
    RawPeer peer{UniqueFd(fd)};
    guest(peer);
  });
  host(UniqueFd(fds[1]));
  player.join();
}

// The guest greets well and then does `after` with the first request; returns what Run says.
absl::Status RunAgainst(const std::function<void(RawPeer&, uint32_t)>& after) {
  absl::Status status;
  Play(
      [&](RawPeer& peer) {
        if (!peer.AnswerGreeting()) return;
        const auto exec = peer.Expect<guest::Exec>();
        if (exec) after(peer, exec->request);
      },
      [&](UniqueFd fd) {
        auto channel = GuestChannel::Adopt(std::move(fd), Soon(), {});
        ASSERT_TRUE(channel.ok()) << channel.status();
        EnvironmentCommand command;
        command.argv = {"true"};
        status = (*channel)->Run(command, nullptr, Soon(), {}).status();
        if (absl::IsDataLoss(status)) {
          EXPECT_TRUE(absl::IsDataLoss((*channel)->Ping(Soon(), {})));
        }
      });
  return status;
}

TEST(HostileGuest, GarbageIsDataLoss) {
  const absl::Status status =
      RunAgainst([](RawPeer& peer, uint32_t) { peer.SendBytes(std::string(4096, 'g')); });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("guest broke the protocol"));
}

TEST(HostileGuest, AHugeLengthIsDataLoss) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t) {
    char header[guest::kFrameHeader];
    guest::WriteFrameHeader(header, static_cast<uint16_t>(guest::MessageType::kOutput), 0xffffffff);
    peer.SendBytes(std::string_view(header, sizeof header));
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, AMalformedMessageIsDataLoss) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t) {
    std::string frame(guest::kFrameHeader, '\0');
    guest::WriteFrameHeader(frame.data(), static_cast<uint16_t>(guest::MessageType::kExited), 3);
    peer.SendBytes(frame + "abc");
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, AMessageThatOnlyHostsSendIsDataLoss) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t request) {
    peer.Send(guest::Signal{request, 9});
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, AnAnswerToARequestOfTheFutureIsDataLoss) {
  const absl::Status status =
      RunAgainst([](RawPeer& peer, uint32_t request) { peer.Send(guest::Done{request + 1}); });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, AnAnswerOfTheWrongKindIsDataLoss) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t request) {
    peer.Send(guest::FileData{request, "x"});
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, AnImpossibleExitIsDataLoss) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t request) {
    peer.Send(guest::Exited{request, 4711, 0, 0, 0, 0});
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, AnOverlongPieceOfOutputIsDataLoss) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t request) {
    peer.Send(guest::Output{request, 1, std::string(guest::kMaxChunk + 1, 'o')});
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, OutputOfAnUnknownStreamIsDataLoss) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t request) {
    peer.Send(guest::Output{request, 3, "x"});
  });
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST(HostileGuest, HangingUpIsUnavailable) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t) { peer.Hang(); });
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST(HostileGuest, ItsWordsAreMadePrintable) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t request) {
    peer.Send(guest::Error{request, 2, "start: \x1b]0;owned\x07: gone"});
  });
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\x1b")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("owned"));
}

TEST(HostileGuest, ItsErrorsCannotSpeakForTheCaller) {
  const absl::Status status = RunAgainst([](RawPeer& peer, uint32_t request) {
    peer.Send(guest::Error{request, ETIMEDOUT, "late"});
  });
  EXPECT_TRUE(absl::IsInternal(status)) << status;
}

TEST(HostileGuest, StaleBytesBeforeTheGreetingArePassedOver) {
  Play(
      [](RawPeer& peer) {
        std::string stale;
        guest::AppendMessage(stale, guest::Output{9, 1, "from long ago"});
        peer.SendBytes(stale.substr(5));
        peer.Send(guest::Hello{guest::kProtocolVersion, 0, 12345});
        peer.SendBytes(stale.substr(0, 20));
        if (!peer.AnswerGreeting()) return;
        const auto ping = peer.Expect<guest::Ping>();
        if (ping) peer.Send(guest::Pong{ping->token});
      },
      [](UniqueFd fd) {
        const auto channel = GuestChannel::Adopt(std::move(fd), Soon(), {});
        ASSERT_TRUE(channel.ok()) << channel.status();
        EXPECT_TRUE((*channel)->Ping(Soon(), {}).ok());
      });
}

TEST(HostileGuest, AnotherVersionIsAFailedPrecondition) {
  Play([](RawPeer& peer) { peer.AnswerGreeting(guest::kProtocolVersion + 1); },
       [](UniqueFd fd) {
         const auto channel = GuestChannel::Adopt(std::move(fd), Soon(), {});
         EXPECT_TRUE(absl::IsFailedPrecondition(channel.status())) << channel.status();
       });
}

TEST(HostileGuest, SilenceInsteadOfAGreetingEndsAtTheDeadline) {
  Play([](RawPeer& peer) { (void)peer.Expect<guest::Hello>(), (void)peer.Receive(); },
       [](UniqueFd fd) {
         const auto channel = GuestChannel::Adopt(std::move(fd), Deadline::In(absl::Milliseconds(100)), {});
         EXPECT_TRUE(absl::IsDeadlineExceeded(channel.status())) << channel.status();
       });
}

TEST(HostileGuest, AnEndlessFloodCannotOutlastTheDeadline) {
  Play(
      [](RawPeer& peer) {
        if (!peer.AnswerGreeting()) return;
        std::string frames;
        for (int i = 0; i < 1000; ++i) guest::AppendMessage(frames, guest::Pong{0});
        while (send(peer.fd(), frames.data(), frames.size(), MSG_NOSIGNAL) > 0) {
        }
      },
      [](UniqueFd fd) {
        const auto channel = GuestChannel::Adopt(std::move(fd), Soon(), {});
        ASSERT_TRUE(channel.ok()) << channel.status();
        const absl::Status status = (*channel)->Ping(Deadline::In(absl::Milliseconds(100)), {});
        EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
      });
}

}  // namespace
}  // namespace rootwright
