#include "base/subprocess.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/host_use.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wait.h"

namespace rootwright {
namespace {

constexpr size_t kKept = 1 << 20;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus(errno, "make a pipe", "subprocess");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// All that the child needs between fork and exec, made before the fork: it may not allocate.
struct ChildPlan {
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<std::string> env_storage;
  std::vector<std::pair<int, int>> descriptors;
  const char* working_directory = nullptr;
};

ChildPlan MakePlan(const SubprocessSpec& spec) {
  ChildPlan plan;
  for (const std::string& arg : spec.argv) plan.argv.push_back(const_cast<char*>(arg.c_str()));
  plan.argv.push_back(nullptr);
  if (spec.environment) {
    for (const auto& [key, value] : *spec.environment)
      plan.env_storage.push_back(absl::StrCat(key, "=", value));
    for (std::string& entry : plan.env_storage) plan.envp.push_back(entry.data());
  } else {
    for (char** entry = environ; *entry != nullptr; ++entry) plan.envp.push_back(*entry);
  }
  plan.envp.push_back(nullptr);
  plan.descriptors.assign(spec.descriptors.begin(), spec.descriptors.end());
  if (!spec.working_directory.empty()) plan.working_directory = spec.working_directory.c_str();
  return plan;
}

[[noreturn]] void RunChild(const ChildPlan& plan, int in, int out, int err, int report, pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  bool ok = dup2(in, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2;
  for (const auto& [source, number] : plan.descriptors) {
    ok = ok && (source == number ? fcntl(source, F_SETFD, 0) == 0 : dup2(source, number) == number);
  }
  if (ok && plan.working_directory != nullptr) ok = chdir(plan.working_directory) == 0;
  if (ok) execvpe(plan.argv[0], plan.argv.data(), plan.envp.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(report, &error, sizeof error);
  _exit(127);
}

class OutputReader {
 public:
  OutputReader(UniqueFd fd, const std::function<void(absl::string_view)>& sink, std::string& kept)
      : fd_(std::move(fd)), sink_(sink), kept_(kept) {}

  int fd() const { return fd_.get(); }

  void ReadSome() {
    std::array<char, 65536> buffer;
    const ssize_t got = read(fd_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) {
      fd_.reset();
      return;
    }
    const absl::string_view data(buffer.data(), static_cast<size_t>(got));
    if (sink_) return sink_(data);
    kept_.append(data.data(), data.size());
    if (kept_.size() > 2 * kKept) kept_.erase(0, kept_.size() - kKept);
  }

 private:
  UniqueFd fd_;
  const std::function<void(absl::string_view)>& sink_;
  std::string& kept_;
};

// write(2) to a pipe whose reader may be gone: EPIPE, never the signal.
ssize_t WriteQuietly(int fd, absl::string_view data) {
  sigset_t pipe_signal, before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t put = write(fd, data.data(), data.size());
  const int error = errno;
  if (put < 0 && error == EPIPE && sigismember(&before, SIGPIPE) == 0) {
    const timespec now{};
    sigtimedwait(&pipe_signal, nullptr, &now);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return put;
}

// Feeds and drains the child until both its outputs are closed and it has ended.
absl::Status Converse(const SubprocessSpec& spec, UniqueFd input, OutputReader& out, OutputReader& err,
                      int pid_fd, Deadline deadline, const StopFd& stop) {
  size_t fed = 0;
  if (spec.input.empty())
    input.reset();
  else
    fcntl(input.get(), F_SETFL, O_NONBLOCK);
  bool ended = false;
  // Once it has ended, a grandchild that kept a pipe open is not waited for.
  while (!ended) {
    std::array<pollfd, 5> fds = {{{out.fd(), POLLIN, 0},
                                  {err.fd(), POLLIN, 0},
                                  {input.get(), POLLOUT, 0},
                                  {stop.fd(), POLLIN, 0},
                                  {pid_fd, POLLIN, 0}}};
    if (poll(fds.data(), fds.size(), deadline.LeftMillis()) < 0 && errno != EINTR) {
      return ErrnoStatus(errno, "wait for", spec.argv[0]);
    }
    if (fds[3].revents != 0) return absl::CancelledError(absl::StrCat(spec.argv[0], ": stopped"));
    if (fds[0].revents != 0) out.ReadSome();
    if (fds[1].revents != 0) err.ReadSome();
    if (fds[2].revents != 0) {
      const ssize_t put = WriteQuietly(input.get(), absl::string_view(spec.input).substr(fed));
      if (put > 0) fed += static_cast<size_t>(put);
      if ((put < 0 && errno != EAGAIN && errno != EINTR) || fed == spec.input.size()) input.reset();
    }
    ended = fds[4].revents != 0;
    if (!ended && deadline.Passed()) {
      return absl::DeadlineExceededError(absl::StrCat(spec.argv[0], ": did not end in time"));
    }
  }
  for (OutputReader* reader : {&out, &err}) {
    pollfd last = {reader->fd(), POLLIN, 0};
    while (reader->fd() >= 0 && poll(&last, 1, 0) > 0) {
      reader->ReadSome();
      last.fd = reader->fd();
    }
  }
  return absl::OkStatus();
}

absl::Duration FromTimeval(const timeval& time) { return absl::DurationFromTimeval(time); }

}  // namespace

absl::StatusOr<SubprocessResult> RunSubprocess(const SubprocessSpec& spec, Deadline deadline,
                                               std::stop_token stop) {
  const Instant start = Clock::Real().Now();
  RW_ASSIGN_OR_RETURN(Pipe in, MakePipe());
  RW_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  RW_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  RW_ASSIGN_OR_RETURN(Pipe report, MakePipe());
  const ChildPlan plan = MakePlan(spec);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoStatus(errno, "fork for", spec.argv[0]);
  if (pid == 0) RunChild(plan, in.read.get(), out.write.get(), err.write.get(), report.write.get(), parent);
  setpgid(pid, pid);
  in.read.reset();
  out.write.reset();
  err.write.reset();
  report.write.reset();
  const UniqueFd pid_fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pid_fd) {
    const int error = errno;
    kill(-pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return ErrnoStatus(error, "watch", spec.argv[0]);
  }

  SubprocessResult result;
  OutputReader stdout_reader(std::move(out.read), spec.on_stdout, result.output);
  OutputReader stderr_reader(std::move(err.read), spec.on_stderr, result.error_output);
  const StopFd stop_fd(std::move(stop));
  const absl::Status conversed =
      Converse(spec, std::move(in.write), stdout_reader, stderr_reader, pid_fd.get(), deadline, stop_fd);
  // Nothing of the group outlives the call.
  kill(-pid, SIGKILL);
  int status = 0;
  rusage usage{};
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  const absl::Duration cpu = FromTimeval(usage.ru_utime) + FromTimeval(usage.ru_stime);
  const int64_t peak_memory_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  HostUse::AddSubprocess(cpu, peak_memory_bytes);
  int exec_error = 0;
  if (read(report.read.get(), &exec_error, sizeof exec_error) == sizeof exec_error) {
    return ErrnoStatus(exec_error, "start", spec.argv[0]);
  }
  RW_RETURN_IF_ERROR(conversed);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  result.wall = Since(start, Clock::Real().Now());
  result.cpu = cpu;
  result.peak_memory_bytes = peak_memory_bytes;
  return result;
}

absl::StatusOr<SubprocessResult> CheckSubprocess(const SubprocessSpec& spec, Deadline deadline,
                                                 std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(SubprocessResult result, RunSubprocess(spec, deadline, std::move(stop)));
  if (result.ok()) return result;
  const std::string ending =
      result.signal != 0 ? absl::StrCat("signal ", result.signal) : absl::StrCat("exit ", result.exit_code);
  const std::vector<std::string> lines = absl::StrSplit(absl::StripSuffix(result.error_output, "\n"), '\n');
  return absl::InternalError(absl::StrCat(absl::StrJoin(spec.argv, " "), ": ", ending, ": ", lines.back()));
}

}  // namespace rootwright
