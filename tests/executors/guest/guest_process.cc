#include "tests/executors/guest/guest_process.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/wait.h"

namespace rootwright {

GuestProcess::GuestProcess()
    : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "guest-test-")) {
  const std::string path = socket().string();
  const char* const argv[] = {ROOTWRIGHT_GUEST, "--socket", path.c_str(), nullptr};
  if (posix_spawn(&pid_, ROOTWRIGHT_GUEST, nullptr, nullptr, const_cast<char**>(argv), environ) != 0) {
    std::abort();
  }
}

GuestProcess::~GuestProcess() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  Wait();
}

int GuestProcess::Wait() {
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::unique_ptr<GuestChannel> GuestProcess::Connect() const {
  auto channel = GuestChannel::Connect(socket(), Soon(), {});
  return channel.ok() ? *std::move(channel) : nullptr;
}

UniqueFd GuestProcess::ConnectRaw() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket().string();
  std::memcpy(address.sun_path, path.data(), path.size());
  for (const Deadline deadline = Soon(); !deadline.Passed();) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    if (!SleepFor(absl::Milliseconds(2), {}).ok()) break;
  }
  return UniqueFd();
}

int64_t GuestProcess::PeakMemoryBytes() const {
  std::ifstream status(absl::StrCat("/proc/", pid_, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::atoll(line.c_str() + 6) * 1024;
  }
  return -1;
}

RawPeer::RawPeer(UniqueFd fd)
    : fd_(std::move(fd)), parser_(static_cast<uint16_t>(guest::MessageType::kHello), guest::Hello::kSize) {}

void RawPeer::SendBytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(put));
  }
}

std::optional<RawPeer::Received> RawPeer::Receive() {
  for (;;) {
    guest::Frame frame;
    const auto result = parser_.Next(frame);
    if (result == guest::FrameParser::Result::kFrame) {
      return Received{static_cast<guest::MessageType>(frame.type), std::string(frame.payload)};
    }
    if (result == guest::FrameParser::Result::kBroken) return std::nullopt;
    pollfd state = {fd_.get(), POLLIN, 0};
    if (poll(&state, 1, 60'000) <= 0) return std::nullopt;
    size_t space = 0;
    uint8_t* const into = parser_.Space(space);
    const ssize_t got = read(fd_.get(), into, space);
    if (got <= 0) return std::nullopt;
    parser_.Commit(static_cast<size_t>(got));
  }
}

bool RawPeer::Greet(uint64_t nonce) {
  guest::Hello hello;
  hello.nonce = nonce;
  Send(hello);
  const auto answer = Expect<guest::Hello>();
  return answer && answer->nonce == nonce;
}

bool RawPeer::AnswerGreeting(uint32_t version) {
  auto hello = Expect<guest::Hello>();
  if (!hello) return false;
  hello->version = version;
  Send(*hello);
  return true;
}

bool IsGone(pid_t pid) {
  // A zombie is gone too: its new parent may take its time.
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::stringstream text;
  text << file.rdbuf();
  const size_t name_end = text.str().rfind(')');
  return name_end == std::string::npos || text.str().compare(name_end, 3, ") Z") == 0;
}

bool WaitUntilGone(pid_t pid) {
  for (const Deadline deadline = Soon(); !IsGone(pid);) {
    if (deadline.Passed() || !SleepFor(absl::Milliseconds(5), {}).ok()) return false;
  }
  return true;
}

}  // namespace rootwright
