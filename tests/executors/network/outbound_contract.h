#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "executors/environment.h"
#include "executors/executor.h"
#include "tests/executors/network/outside_world.h"

// What an Environment does with Network, in machines and in containers:
//
//   INSTANTIATE_TEST_SUITE_P(Container, OutboundContract, ::testing::Values(OutboundSubject{"container",
//   make}));
//
// The environment needs bash, coreutils and perl in it.
namespace rootwright {

struct OutboundSubject {
  std::string name;
  // Whether its root may send what frames it likes.
  bool forges_frames = false;
  // Makes ready what needs the real network, such as images.
  std::function<void()> make_host;
  // Made, not reached.
  std::function<absl::StatusOr<std::unique_ptr<Environment>>(Network)> make;
};

inline std::ostream& operator<<(std::ostream& out, const OutboundSubject& subject) {
  return out << subject.name;
}

class OutboundContract : public ::testing::TestWithParam<OutboundSubject> {
 protected:
  void SetUp() override {
    GetParam().make_host();
    world_.emplace();
  }

  static Deadline Soon() { return Deadline::In(absl::Minutes(3)); }

  static std::unique_ptr<Environment> Reached(Network network) {
    absl::StatusOr<std::unique_ptr<Environment>> made = GetParam().make(network);
    EXPECT_TRUE(made.ok()) << made.status();
    if (!made.ok()) return nullptr;
    const absl::Status reached = (*made)->Reach(Soon(), {});
    EXPECT_TRUE(reached.ok()) << reached;
    return reached.ok() ? *std::move(made) : nullptr;
  }

  // What the script said on both streams.
  static std::string Say(Environment& environment, const std::string& script) {
    EnvironmentCommand command;
    command.argv = {"/bin/bash", "-c", script};
    command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C"}};
    std::string said;
    const absl::StatusOr<CommandResult> result = environment.Run(
        command, [&](OutputStream, absl::string_view data) { absl::StrAppend(&said, data); }, Soon(), {});
    EXPECT_TRUE(result.ok()) << result.status();
    return said;
  }

  // Says what is read there, or why nothing is.
  static std::string Connect(absl::string_view address, int port, int seconds = 20) {
    return absl::StrCat("timeout ", seconds, " bash -c 'cat </dev/tcp/", address, "/", port,
                        "' 2>&1 || echo refused; ");
  }

  // pasta and passt that this process has started and not ended.
  static std::string Programs() {
    const SubprocessSpec ps{.argv = {"ps", "-o", "comm=", "--ppid", absl::StrCat(getpid())}};
    const auto listed = RunSubprocess(ps, Soon(), {});
    std::string programs;
    for (const absl::string_view line : absl::StrSplit(listed.ok() ? listed->output : "", '\n'))
      if (line.rfind("pass", 0) == 0 || line.rfind("past", 0) == 0) absl::StrAppend(&programs, line, "\n");
    return programs;
  }

  std::optional<OutsideWorld> world_;
};

TEST_P(OutboundContract, WithoutItThereIsNothingButLoopback) {
  const std::unique_ptr<Environment> environment = Reached(Network::kNone);
  ASSERT_NE(environment, nullptr);
  EXPECT_EQ(Say(*environment, "sed '1,2d; s/:.*//; s/ //g' /proc/net/dev"), "lo\n");
  EXPECT_THAT(Say(*environment, Connect(OutsideWorld::kAddress, world_->port())),
              ::testing::HasSubstr("Network is unreachable"));
  EXPECT_EQ(Programs(), "");
}

TEST_P(OutboundContract, ReachesWhatTheHostDoesButNotTheHostAndIsGoneAtItsEnd) {
  const std::unique_ptr<Environment> environment = Reached(Network::kOutbound);
  ASSERT_NE(environment, nullptr);
  EXPECT_THAT(environment->Describe(), ::testing::HasSubstr(", outbound network, "));
  EXPECT_EQ(Say(*environment, Connect(OutsideWorld::kAddress, world_->port())), "outside\n");
  EXPECT_EQ(Say(*environment, "cat /etc/resolv.conf"), "nameserver 10.0.2.3\n");
  if (world_->answers_names()) {
    EXPECT_THAT(Say(*environment, absl::StrCat("getent ahostsv4 ", OutsideWorld::kName, " 2>&1")),
                ::testing::HasSubstr(OutsideWorld::kAddress));
  }
  // Neither as itself nor as the gateway or the resolver.
  const int loopback = world_->loopback_port();
  for (const char* address : {"127.0.0.1", "10.0.2.2", "10.0.2.3", "0.0.0.0"})
    EXPECT_THAT(Say(*environment, Connect(address, loopback, 4)), ::testing::HasSubstr("refused")) << address;
  EXPECT_FALSE(world_->LoopbackWasReached());
  EXPECT_NE(Programs(), "");
  EXPECT_TRUE(environment->End(absl::Seconds(30)).ok());
  EXPECT_EQ(Programs(), "");
}

// A frame that no kernel would send: from the card, to an address of the loopback. Where the guest may not
// make one it is told so.
TEST_P(OutboundContract, AForgedFrameDoesNotReachTheHostsLoopback) {
  const std::unique_ptr<Environment> environment = Reached(Network::kOutbound);
  ASSERT_NE(environment, nullptr);
  const auto forge = [&](absl::string_view address, int port) {
    return absl::StrCat(R"(perl -e '
      use Socket;
      my ($to, $port) = @ARGV;
      my $ip = pack("CCnnnCCna4a4", 0x45, 0, 33, 1, 0, 64, 17, 0, inet_aton("10.0.2.15"), inet_aton($to));
      my $sum = 0; $sum += $_ for unpack("n10", $ip); $sum = ($sum & 0xffff) + ($sum >> 16) for 1..2;
      substr($ip, 10, 2) = pack("n", ~$sum & 0xffff);
      my $frame = pack("H12H12n", "ffffffffffff", "525400112233", 0x800) . $ip
                  . pack("nnnn", 5000, $port, 13, 0) . "hello";
      open my $card, "<", "/sys/class/net/eth0/ifindex" or die "no card\n";
      my $index = <$card>;
      socket(my $out, 17, 3, 8) or die "forbidden\n";
      send($out, $frame, 0, pack("SnlSCCa8", 17, 0x800, $index, 1, 0, 6, "\xff" x 6)) or die "send: $!\n";
      print "sent\n"' )",
                        address, " ", port, " 2>&1");
  };
  const std::string said = Say(*environment, forge(OutsideWorld::kAddress, world_->datagram_port()));
  const bool sent = said == "sent\n";
  EXPECT_EQ(sent, GetParam().forges_frames) << said;
  EXPECT_TRUE(!sent || world_->DatagramCame()) << "the frame is no good";
  for (const char* address : {"127.0.0.1", "127.0.0.2", "0.0.0.0", "10.0.2.2"})
    Say(*environment, forge(address, world_->loopback_port()));
  // What comes after them has overtaken nothing.
  if (sent) {
    Say(*environment, forge(OutsideWorld::kAddress, world_->datagram_port()));
    EXPECT_TRUE(world_->DatagramCame());
  }
  EXPECT_FALSE(world_->LoopbackWasReached());
}

TEST_P(OutboundContract, AProductKeepsItsOwnResolvers) {
  const absl::StatusOr<ScopedFolder> folder =
      ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-outbound-");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::filesystem::path tree = folder->path() / "tree";
  for (const char* name : {"bin", "dev", "proc", "sys", "run", "etc", "usr", "tmp"})
    ASSERT_TRUE(MakeFolders(tree / name).ok());
  ASSERT_TRUE(WriteFileAtomically(tree / "etc/resolv.conf", "nameserver 192.0.2.7\n", 0644).ok());
  const std::unique_ptr<Environment> environment = Reached(Network::kOutbound);
  ASSERT_NE(environment, nullptr);
  const OutputSink ignore = [](OutputStream, absl::string_view) {};
  const absl::StatusOr<std::string> target = environment->ImportTree(tree, ignore, Soon(), {});
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(Say(*environment, absl::StrCat("cat ", *target, "/etc/resolv.conf")), "nameserver 10.0.2.3\n");
  const std::filesystem::path archive = folder->path() / "changes.tar";
  const absl::Status exported = environment->ExportChanges(archive, Soon(), {});
  ASSERT_TRUE(exported.ok()) << exported;
  const SubprocessSpec tar{.argv = {"tar", "-xOf", archive.string(), "./etc/resolv.conf"}};
  const auto kept = CheckSubprocess(tar, Soon(), {});
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->output, "nameserver 192.0.2.7\n");
  EXPECT_EQ(Say(*environment, absl::StrCat("ls -A ", *target, "/etc")), "resolv.conf\n");
}

}  // namespace rootwright
