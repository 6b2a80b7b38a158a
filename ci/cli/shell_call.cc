#include "ci/cli/shell_call.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright::cli {
namespace {

constexpr size_t kPiece = 32 * 1024;
constexpr size_t kMostText = 1 << 20;

sigset_t WantedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&set, number);
  return set;
}

// The terminal on standard input, raw as long as this lives.
class RawTerminal {
 public:
  RawTerminal() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    cfmakeraw(&raw);
    raw_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
  }
  ~RawTerminal() {
    if (raw_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool raw_ = false;
};

void TakeSize(v1::TerminalSize* size) {
  winsize window{};
  const bool known = ioctl(STDIN_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 && window.ws_col > 0;
  size->set_rows(known ? window.ws_row : 24);
  size->set_columns(known ? window.ws_col : 80);
}

bool WriteAll(int fd, const std::string& data) {
  for (size_t done = 0; done < data.size();) {
    const ssize_t put = write(fd, data.data() + done, data.size() - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) {
      pollfd room = {fd, POLLOUT, 0};
      poll(&room, 1, -1);
      continue;
    }
    if (put <= 0) return false;
    done += static_cast<size_t>(put);
  }
  return true;
}

// Moves what is typed, and changes of the terminal's size, to the call, until told to end.
class Typist {
 public:
  Typist(ShellCall& call, int signals) : call_(call), signals_(signals), end_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Typist() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(end_.get(), &one, sizeof one);
    thread_.join();
  }
  bool interrupted() const { return interrupted_; }

 private:
  void Run() {
    bool input = true;
    for (;;) {
      pollfd polls[] = {
          {end_.get(), POLLIN, 0}, {signals_, POLLIN, 0}, {input ? STDIN_FILENO : -1, POLLIN, 0}};
      if (poll(polls, 3, -1) < 0 && errno != EINTR) return;
      if (polls[0].revents != 0) return;
      if (polls[1].revents != 0 && !TakeSignal()) return;
      if (polls[2].revents != 0) input = TakeInput();
    }
  }

  // False when it ends the shell.
  bool TakeSignal() {
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof info) != sizeof info) return true;
    if (info.ssi_signo != SIGWINCH) {
      interrupted_ = true;
      call_.Cancel();
      return false;
    }
    v1::RunShellRequest message;
    TakeSize(message.mutable_input()->mutable_resize());
    call_.Write(message);
    return true;
  }

  // False when there is no more.
  bool TakeInput() {
    std::string data(kPiece, '\0');
    const ssize_t got = read(STDIN_FILENO, data.data(), data.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    v1::RunShellRequest message;
    if (got <= 0) {
      message.mutable_input()->set_end(true);
    } else {
      data.resize(static_cast<size_t>(got));
      message.mutable_input()->set_data(std::move(data));
    }
    return call_.Write(message) && got > 0;
  }

  ShellCall& call_;
  const int signals_;
  const UniqueFd end_;
  std::atomic<bool> interrupted_{false};
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<ShellCall>> Begin(BuildClient& client, v1::ShellStart start) {
  std::unique_ptr<ShellCall> call = client.RunShell();
  v1::RunShellRequest message;
  *message.mutable_start() = std::move(start);
  if (!call->Write(message)) {
    const absl::Status why = call->Finish();
    return why.ok() ? absl::UnavailableError("shell: the master ended it") : why;
  }
  return call;
}

// Takes output until the end; `take` says whether to go on.
template <typename Take>
absl::StatusOr<ShellEnd> ReadToTheEnd(ShellCall& call, const Take& take) {
  std::optional<ShellEnd> end;
  v1::RunShellResponse message;
  while (call.Read(&message)) {
    const v1::ShellOutput& output = message.output();
    if (output.has_ended()) end = ShellEnd{output.ended().exit_code(), output.ended().signal()};
    if (!take(output)) {
      call.Cancel();
      break;
    }
  }
  const absl::Status status = call.Finish();
  if (end) return *end;
  if (!status.ok()) return status;
  return absl::UnavailableError("shell: it ended without a word: is the master going down?");
}

}  // namespace

ShellSignals::ShellSignals() {
  const sigset_t wanted = WantedSignals();
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  signal(SIGPIPE, SIG_IGN);
  fd_ = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

ShellSignals::~ShellSignals() {
  const sigset_t wanted = WantedSignals();
  pthread_sigmask(SIG_UNBLOCK, &wanted, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<ShellEnd> RunShellHere(BuildClient& client, v1::ShellStart start, const ShellSignals& signals,
                                      TerminalUse use) {
  const bool terminal = use != TerminalUse::kNever && isatty(STDIN_FILENO) == 1;
  if (terminal) {
    TakeSize(start.mutable_command()->mutable_terminal());
    const char* term = std::getenv("TERM");
    (*start.mutable_command()->mutable_environment())["TERM"] = term == nullptr ? "dumb" : term;
  }
  RW_ASSIGN_OR_RETURN(const std::unique_ptr<ShellCall> call, Begin(client, std::move(start)));
  std::optional<RawTerminal> raw;
  if (terminal) raw.emplace();
  absl::StatusOr<ShellEnd> end;
  bool interrupted = false;
  {
    const Typist typist(*call, signals.fd());
    end = ReadToTheEnd(*call, [](const v1::ShellOutput& output) {
      return WriteAll(STDOUT_FILENO, output.data()) && WriteAll(STDERR_FILENO, output.error_data());
    });
    interrupted = typist.interrupted();
  }
  if (interrupted && !end.ok()) return absl::CancelledError("shell: interrupted");
  return end;
}

absl::StatusOr<ShellOutputText> RunShellForOutput(BuildClient& client, v1::ShellStart start,
                                                  const std::string& input) {
  RW_ASSIGN_OR_RETURN(const std::unique_ptr<ShellCall> call, Begin(client, std::move(start)));
  v1::RunShellRequest message;
  if (!input.empty()) {
    message.mutable_input()->set_data(input);
    call->Write(message);
  }
  message.mutable_input()->set_end(true);
  call->Write(message);
  ShellOutputText text;
  bool too_much = false;
  RW_ASSIGN_OR_RETURN(text.end, ReadToTheEnd(*call, [&](const v1::ShellOutput& output) {
                        text.out += output.data();
                        text.err += output.error_data();
                        too_much = text.out.size() + text.err.size() > kMostText;
                        return !too_much;
                      }));
  if (too_much) return absl::ResourceExhaustedError("shell: more than 1 MiB of output");
  return text;
}

}  // namespace rootwright::cli
