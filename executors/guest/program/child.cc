#include "executors/guest/program/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rootwright::guest {
namespace {

[[noreturn]] void GiveUp(const char* what, const char* object, int code) {
  std::fprintf(stderr, "rootwright-guest: %s: %s: %s\n", what, object, std::strerror(code));
  _exit(code == EACCES || code == ENOEXEC || code == EPERM ? 126 : 127);
}

// Where memory ends the kernel shall kill a command, not the guest. Anybody may ask for that.
void OfferToBeKilledFirst() {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t written = write(fd, "500", 3);
  close(fd);
}

// A shell's processes stay apart from those of other commands: its main process, of our making, takes over
// the orphans of the program, which is its child, and ends as that does.
void StayAsKeeper() {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const pid_t program = fork();
  if (program == 0) return;
  // KILL ends it, and with it the program; what else is for the program is not for it.
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) signal(number, SIG_IGN);
  for (int fd = 0; fd < 1024; ++fd) close(fd);
  if (program < 0) _exit(127);
  for (int status = 0;;) {
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended != program && ended > 0) continue;
    if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(WTERMSIG(status), SIG_DFL);
    kill(getpid(), WTERMSIG(status));
    _exit(128 + WTERMSIG(status));
  }
}

}  // namespace

Plan MakePlan(const Exec& exec) {
  Plan plan;
  plan.root = exec.root;
  plan.working_directory = exec.working_directory;
  plan.strings.reserve(exec.argv.size() + exec.variables.size());
  for (std::string_view text : exec.argv) plan.argv.push_back(plan.strings.emplace_back(text).data());
  for (std::string_view text : exec.variables) {
    plan.variables.push_back(plan.strings.emplace_back(text).data());
    if (text.compare(0, 5, "PATH=") == 0) plan.has_path = true;
  }
  plan.argv.push_back(nullptr);
  plan.variables.push_back(nullptr);
  return plan;
}

void RunChild(const Plan& plan, ProcessSet& processes, const Stdio& stdio, Keep keep, bool terminal) {
  processes.Join();
  OfferToBeKilledFirst();
  if (keep == Keep::kOrphans) StayAsKeeper();
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto [in, out, err] = stdio;
  if (terminal) ioctl(in, TIOCSCTTY, 0);
  // Ours block or ignore these; a program starts with defaults.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (dup2(in, 0) != 0 || dup2(out, 1) != 1 || dup2(err, 2) != 2) _exit(127);
  if (plan.root != "/" && chroot(plan.root.c_str()) != 0) GiveUp("change root", plan.root.c_str(), errno);
  if (chdir(plan.working_directory.c_str()) != 0) {
    GiveUp("change folder", plan.working_directory.c_str(), errno);
  }
  if (plan.has_path) {
    environ = const_cast<char**>(plan.variables.data());
    execvp(plan.argv[0], plan.argv.data());
  } else {
    execvpe(plan.argv[0], plan.argv.data(), plan.variables.data());
  }
  GiveUp("start", plan.argv[0], errno);
}

}  // namespace rootwright::guest
