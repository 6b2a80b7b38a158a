#include "tests/executors/network/outside_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "base/wait.h"

namespace rootwright {
namespace {

[[noreturn]] void Fail(absl::string_view what) {
  throw std::runtime_error(absl::StrCat(what, ": ", std::strerror(errno)));
}

UniqueFd OwnNamespace() { return UniqueFd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

void Ip(const std::vector<std::string>& words) {
  SubprocessSpec ip{.argv = {"ip"}};
  ip.argv.insert(ip.argv.end(), words.begin(), words.end());
  const auto ran = CheckSubprocess(ip, Deadline::In(absl::Seconds(30)), {});
  if (!ran.ok()) throw std::runtime_error(std::string(ran.status().message()));
}

// On a thread in that namespace.
void In(const UniqueFd& space, const std::function<void()>& work) {
  std::string error;
  std::thread([&] {
    try {
      if (setns(space.get(), CLONE_NEWNET) != 0) Fail("enter a network namespace");
      work();
    } catch (const std::exception& e) {
      error = e.what();
    }
  }).join();
  if (!error.empty()) throw std::runtime_error(error);
}

// Bound, and listening if it is a stream; `port` is 0 or what it gets.
UniqueFd Bound(int type, const std::string& address, uint16_t& port) {
  UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &at.sin_addr);
  socklen_t size = sizeof at;
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&at), size) != 0 ||
      (type == SOCK_STREAM && listen(fd.get(), 8) != 0) ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    Fail(absl::StrCat("bind ", address));
  }
  port = ntohs(at.sin_port);
  return fd;
}

// The first of /etc/resolv.conf that is an IPv4 address beyond the host itself; else empty.
std::string Resolver() {
  for (const absl::string_view line : absl::StrSplit(ReadFile("/etc/resolv.conf").value_or(""), '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    in_addr address{};
    if (words.size() < 2 || words[0] != "nameserver") continue;
    const bool plain = inet_pton(AF_INET, words[1].c_str(), &address) == 1 && words[1].rfind("127.", 0) != 0;
    return plain ? words[1] : "";
  }
  return "";
}

// One answer for each question (RFC 1035, 4.1): A is kAddress, anything else has no record.
void AnswerName(int fd) {
  char message[512];
  sockaddr_in from{};
  socklen_t size = sizeof from;
  const ssize_t got =
      recvfrom(fd, message, sizeof message - 16, 0, reinterpret_cast<sockaddr*>(&from), &size);
  if (got < 17) return;
  // The question ends with name, type and class; what comes after it (EDNS) is left out.
  size_t end = 12;
  while (end < static_cast<size_t>(got) && message[end] != 0) end += static_cast<uint8_t>(message[end]) + 1u;
  end += 5;
  if (end > static_cast<size_t>(got)) return;
  const bool asks_a = message[end - 4] == 0 && message[end - 3] == 1;
  const char header[] = {'\x81', '\x80', 0, 1, 0, static_cast<char>(asks_a ? 1 : 0), 0, 0, 0, 0};
  std::memcpy(message + 2, header, sizeof header);
  if (asks_a) {
    const char record[] = {'\xc0', 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
    std::memcpy(message + end, record, sizeof record);
    inet_pton(AF_INET, OutsideWorld::kAddress, message + end + sizeof record);
    end += sizeof record + 4;
  }
  sendto(fd, message, end, 0, reinterpret_cast<sockaddr*>(&from), size);
}

bool Readable(int fd, int millis) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, millis) == 1;
}

}  // namespace

OutsideWorld::OutsideWorld() {
  if (geteuid() != 0) throw std::runtime_error("these tests make network namespaces and need root");
  home_ = OwnNamespace();
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) outside_ = OwnNamespace();
  }).join();
  if (!home_ || !outside_ || unshare(CLONE_NEWNET) != 0) Fail("make a network namespace");
  const std::string resolver = Resolver();
  MakeCable(resolver);
  ListenOutside(resolver);
  loopback_ = Bound(SOCK_STREAM, "127.0.0.1", loopback_port_);
  loopback_datagrams_ = Bound(SOCK_DGRAM, "127.0.0.1", loopback_port_);
  answering_ = std::jthread([this](const std::stop_token& stop) { Answer(stop); });
}

OutsideWorld::~OutsideWorld() {
  answering_ = {};
  if (setns(home_.get(), CLONE_NEWNET) != 0) std::terminate();
}

void OutsideWorld::MakeCable(const std::string& resolver) {
  Ip({"link", "set", "lo", "up"});
  Ip({"link", "add", "cable", "type", "veth", "peer", "name", "far", "netns",
      absl::StrCat("/proc/", getpid(), "/fd/", outside_.get())});
  Ip({"address", "add", "10.99.0.2/24", "dev", "cable"});
  Ip({"link", "set", "cable", "up"});
  Ip({"route", "add", "default", "via", kAddress});
  In(outside_, [&] {
    Ip({"address", "add", absl::StrCat(kAddress, "/24"), "dev", "far"});
    if (!resolver.empty()) Ip({"address", "add", absl::StrCat(resolver, "/32"), "dev", "far"});
    Ip({"link", "set", "far", "up"});
  });
}

void OutsideWorld::ListenOutside(const std::string& resolver) {
  In(outside_, [&] {
    server_ = Bound(SOCK_STREAM, kAddress, port_);
    datagrams_ = Bound(SOCK_DGRAM, kAddress, datagram_port_);
    uint16_t domain = 53;
    if (!resolver.empty()) names_ = Bound(SOCK_DGRAM, resolver, domain);
  });
}

void OutsideWorld::Answer(const std::stop_token& stop) {
  const StopFd stopped(stop);
  for (;;) {
    pollfd ready[] = {{stopped.fd(), POLLIN, 0}, {server_.get(), POLLIN, 0}, {names_.get(), POLLIN, 0}};
    if (poll(ready, 3, -1) < 0 && errno != EINTR) return;
    if (ready[0].revents != 0) return;
    if (ready[1].revents != 0) {
      const UniqueFd peer(accept4(server_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      [[maybe_unused]] const ssize_t put = send(peer.get(), "outside\n", 8, MSG_NOSIGNAL);
    }
    if (ready[2].revents != 0) AnswerName(names_.get());
  }
}

bool OutsideWorld::LoopbackWasReached() {
  const bool stream = Readable(loopback_.get(), 0);
  const bool datagram = Readable(loopback_datagrams_.get(), 0);
  char ignored[64];
  if (stream) UniqueFd(accept4(loopback_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (datagram) recv(loopback_datagrams_.get(), ignored, sizeof ignored, MSG_DONTWAIT);
  return stream || datagram;
}

bool OutsideWorld::DatagramCame() {
  char ignored[64];
  return Readable(datagrams_.get(), 20'000) &&
         recv(datagrams_.get(), ignored, sizeof ignored, MSG_DONTWAIT) >= 0;
}

}  // namespace rootwright
