#include "executors/guest/program/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "executors/guest/program/child.h"
#include "executors/guest/program/console.h"

namespace rootwright::guest {
namespace {

constexpr int64_t kGraceNanos = 500'000'000;
constexpr int kTickMillis = 20;

Problem CheckExec(const Exec& exec) {
  if (exec.argv.empty() || exec.argv[0].empty()) return {EINVAL, "start a command: it has no name"};
  if (exec.input_bytes > kMaxInput) return {EINVAL, "start a command: more than 1 MiB of input"};
  for (const auto* list : {&exec.argv, &exec.variables}) {
    for (std::string_view text : *list) {
      if (text.find('\0') != text.npos) return {EINVAL, "start a command: NUL in an argument or variable"};
    }
  }
  const std::string root(exec.root);
  struct stat there = {};
  if (stat(root.c_str(), &there) != 0) return Problem::Of(errno, "start a command: its root", root);
  if (!S_ISDIR(there.st_mode)) return Problem::Of(ENOTDIR, "start a command: its root", root);
  return {};
}

// A terminal of the root that the program is to live in, so that it finds its name there.
bool OpenTerminal(const std::string& root, const Shell& size, int& master, int& slave) {
  for (const std::string& path : {root + "/dev/pts/ptmx", root + "/dev/ptmx", std::string("/dev/ptmx")}) {
    master = open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0) continue;
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) == 0) {
      slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
      if (slave >= 0) break;
    }
    close(master);
    master = -1;
  }
  if (master < 0) return false;
  const winsize window = {size.rows, size.columns, 0, 0};
  ioctl(master, TIOCSWINSZ, &window);
  return true;
}

struct Ends {
  int read = -1;
  int write = -1;
  bool Open() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return false;
    read = fds[0];
    write = fds[1];
    return true;
  }
  void Close() const {
    if (read >= 0) close(read);
    if (write >= 0) close(write);
  }
};

void SetNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

int64_t Nanos(const timeval& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + int64_t{time.tv_usec} * 1000;
}

}  // namespace

Command::Command(const Exec& exec, ProcessHome& home, Kind kind)
    : kind_(kind),
      request_(exec.request),
      processes_(home, exec.request,
                 kind == Kind::kShell ? ProcessSet::Orphans::kKeptByMain : ProcessSet::Orphans::kOurs),
      credit_(exec.window),
      input_missing_(exec.input_bytes),
      input_goes_on_(kind == Kind::kShell) {}

Command::~Command() {
  CloseInput();
  for (Pipe& pipe : streams_) {
    if (pipe.fd >= 0) close(pipe.fd);
  }
}

std::unique_ptr<Command> Command::Start(const Exec& exec, ProcessHome& home, Problem& problem) {
  return Start(exec, home, Kind::kCommand, nullptr, problem);
}

std::unique_ptr<Command> Command::Start(const Shell& shell, ProcessHome& home, Problem& problem) {
  Exec exec;
  exec.request = shell.request;
  exec.window = shell.window;
  exec.root = shell.root;
  exec.working_directory = shell.working_directory;
  exec.argv = shell.argv;
  exec.variables = shell.variables;
  return Start(exec, home, Kind::kShell, shell.terminal != 0 ? &shell : nullptr, problem);
}

std::unique_ptr<Command> Command::Start(const Exec& exec, ProcessHome& home, Kind kind, const Shell* terminal,
                                        Problem& problem) {
  problem = CheckExec(exec);
  if (problem) return nullptr;
  Ends in;
  Ends out;
  Ends err;
  bool opened = false;
  if (terminal != nullptr) {
    // Each end twice, so that every stream has a descriptor of its own.
    opened = OpenTerminal(std::string(exec.root), *terminal, out.read, in.read) &&
             (in.write = fcntl(out.read, F_DUPFD_CLOEXEC, 0)) >= 0 &&
             (out.write = fcntl(in.read, F_DUPFD_CLOEXEC, 0)) >= 0 &&
             (err.write = fcntl(in.read, F_DUPFD_CLOEXEC, 0)) >= 0;
  } else {
    const bool no_input = kind == Kind::kCommand && exec.input_bytes == 0;
    if (no_input) in.read = open("/dev/null", O_RDONLY | O_CLOEXEC);
    opened = (no_input ? in.read >= 0 : in.Open()) && out.Open() && err.Open();
  }
  if (!opened) {
    problem = Problem::Of(
        errno, terminal != nullptr ? "start a command: its terminal" : "start a command: its pipes",
        exec.argv[0]);
    for (const Ends* ends : {&in, &out, &err}) ends->Close();
    return nullptr;
  }
  std::unique_ptr<Command> command(new Command(exec, home, kind));
  command->has_terminal_ = terminal != nullptr;
  const Plan plan = MakePlan(exec);
  command->started_ = Now();
  const pid_t pid = fork();
  if (pid == 0) {
    RunChild(plan, command->processes_, {in.read, out.write, err.write},
             kind == Kind::kShell ? Keep::kOrphans : Keep::kNothing, terminal != nullptr);
  }
  const int fork_error = errno;
  close(in.read);
  close(out.write);
  close(err.write);
  command->input_fd_ = in.write;
  command->streams_[0].fd = out.read;
  command->streams_[1].fd = err.read;
  if (pid < 0) {
    problem = Problem::Of(fork_error, "start a command", exec.argv[0]);
    return nullptr;
  }
  for (const int fd : {in.write, out.read, err.read}) {
    if (fd >= 0) SetNonBlocking(fd);
  }
  command->pid_ = pid;
  command->processes_.MainStarted(pid);
  return command;
}

bool Command::AddInput(std::string_view data) {
  if (kind_ == Kind::kShell) {
    if (!input_goes_on_ || data.size() > kShellInputWindow - (input_.size() - input_written_)) return false;
    if (data.empty()) input_goes_on_ = false;
    input_.erase(0, std::exchange(input_written_, 0));
  } else {
    if (data.size() > input_missing_) return false;
    input_missing_ -= static_cast<uint32_t>(data.size());
  }
  if (input_fd_ < 0) {
    // It closed its standard input: nobody wants the rest.
    input_taken_ += static_cast<uint32_t>(data.size());
    return true;
  }
  input_ += data;
  Feed();
  return true;
}

uint32_t Command::TakeInputCredit() {
  // Small pieces are gathered while there is more to come of what is here.
  const bool worth = input_taken_ >= kShellInputWindow / 4 || (input_taken_ > 0 && input_.empty());
  if (kind_ != Kind::kShell || !worth) return 0;
  return std::exchange(input_taken_, 0);
}

void Command::Resize(uint16_t rows, uint16_t columns) {
  const winsize window = {rows, columns, 0, 0};
  if (has_terminal_ && streams_[0].fd >= 0) ioctl(streams_[0].fd, TIOCSWINSZ, &window);
}

bool Command::AddCredit(uint32_t bytes) {
  constexpr uint32_t kMost = 64u << 20;
  if (bytes > kMost || credit_ > kMost - bytes) return false;
  credit_ += bytes;
  return true;
}

void Command::CloseInput() {
  if (input_fd_ >= 0) close(input_fd_);
  input_fd_ = -1;
  input_taken_ += static_cast<uint32_t>(input_.size() - input_written_);
  input_.clear();
  input_written_ = 0;
}

void Command::Feed() {
  while (input_written_ < input_.size()) {
    const ssize_t put = write(input_fd_, input_.data() + input_written_, input_.size() - input_written_);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) return CloseInput();
    input_written_ += static_cast<size_t>(put);
    input_taken_ += static_cast<uint32_t>(put);
  }
  input_.clear();
  input_written_ = 0;
  // A terminal has no end of input: its user may say so with a key.
  if (input_missing_ == 0 && !input_goes_on_ && !has_terminal_) CloseInput();
}

void Command::Drain(Pipe& pipe, uint8_t stream, std::string& out) {
  static char buffer[kMaxChunk];
  const ssize_t got = read(pipe.fd, buffer, std::min<size_t>(sizeof buffer, credit_));
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    close(pipe.fd);
    pipe = {};
    return;
  }
  const size_t size = static_cast<size_t>(got);
  credit_ -= static_cast<uint32_t>(size);
  pipe.owed -= std::min(pipe.owed, size);
  Output output;
  output.request = request_;
  output.stream = stream;
  output.data = std::string_view(buffer, size);
  AppendMessage(out, output);
}

void Command::Signal(int number) {
  if (number == SIGTERM || number == SIGKILL) ending_ = true;
  if (number == SIGKILL) killed_ = true;
  processes_.Signal(number);
}

void Command::OnExit(int status, const rusage& usage) {
  processes_.MainReaped();
  exited_ = true;
  exited_at_ = Now();
  status_ = status;
  usage_ = usage;
  CloseInput();
  for (Pipe& pipe : streams_) {
    int there = 0;
    if (pipe.fd >= 0 && ioctl(pipe.fd, FIONREAD, &there) == 0 && there > 0)
      pipe.owed = static_cast<size_t>(there);
  }
}

void Command::AddPolls(std::vector<pollfd>& polls, bool room) const {
  if (input_fd_ >= 0) {
    polls.push_back({input_fd_, static_cast<short>(input_written_ < input_.size() ? POLLOUT : 0), 0});
  }
  if (!room || credit_ == 0) return;
  for (const Pipe& pipe : streams_) {
    if (pipe.fd >= 0) polls.push_back({pipe.fd, POLLIN, 0});
  }
}

void Command::OnReady(const pollfd& ready, std::string& out) {
  if (ready.fd == input_fd_) {
    // Readers gone: nobody wants the rest.
    if ((ready.revents & (POLLERR | POLLHUP)) != 0) return CloseInput();
    return Feed();
  }
  for (uint8_t i = 0; i < 2; ++i) {
    if (ready.fd == streams_[i].fd && credit_ > 0)
      return Drain(streams_[i], static_cast<uint8_t>(i + 1), out);
  }
}

int Command::WaitMillis() const {
  if (!exited_) return -1;
  if (ending_) return kTickMillis;
  const int64_t left = exited_at_ + kGraceNanos - Now();
  // Past the grace only what was owed is awaited, and that needs credit, not time.
  return left > 0 ? static_cast<int>(left / 1'000'000) + 1 : -1;
}

bool Command::Finished() {
  if (!exited_) return false;
  bool open = false;
  for (const Pipe& pipe : streams_) {
    if (pipe.owed > 0) return false;
    open = open || pipe.fd >= 0;
  }
  if (ending_ && !processes_.Empty()) {
    if (killed_) processes_.Signal(SIGKILL);
    return false;
  }
  return !open || Now() >= exited_at_ + kGraceNanos;
}

bool Command::Abandon() {
  CloseInput();
  for (Pipe& pipe : streams_) {
    if (pipe.fd >= 0) close(pipe.fd);
    pipe = {};
  }
  processes_.Signal(SIGKILL);
  return processes_.Empty();
}

Exited Command::Result() const {
  Exited exited;
  exited.request = request_;
  exited.exit_code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 0;
  exited.signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
  exited.wall_ns = exited_at_ - started_;
  exited.cpu_ns = Nanos(usage_.ru_utime) + Nanos(usage_.ru_stime);
  exited.max_rss_bytes = int64_t{usage_.ru_maxrss} * 1024;
  return exited;
}

}  // namespace rootwright::guest
