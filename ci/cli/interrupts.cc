#include "ci/cli/interrupts.h"

#include <signal.h>
#include <sys/signalfd.h>

#include <cstdlib>
#include <utility>

#include "base/unique_fd.h"
#include "base/wait.h"
#include "ci/cli/exit_code.h"

namespace rootwright::cli {
namespace {

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

Interrupts::Interrupts() {
  const sigset_t set = Watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
}

Interrupts::~Interrupts() {
  thread_.request_stop();
  thread_.join();
  const sigset_t set = Watched();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void Interrupts::SetHandler(Handler handler) {
  const MutexLock lock(mutex_);
  handler_ = std::move(handler);
}

void Interrupts::Run(std::stop_token stop) {
  const sigset_t set = Watched();
  const UniqueFd signals(signalfd(-1, &set, SFD_CLOEXEC));
  const StopFd stopped(stop);
  while (WaitFor(signals.get(), POLLIN, Deadline::Never(), stopped, "wait for a signal").ok()) {
    signalfd_siginfo info = {};
    if (read(signals.get(), &info, sizeof info) != sizeof info) continue;
    Handler handler;
    {
      const MutexLock lock(mutex_);
      handler = handler_;
    }
    if (!handler) std::_Exit(static_cast<int>(ExitCode::kInterrupted));
    handler(info.ssi_signo == SIGINT ? Kind::kInterrupt : Kind::kTerminate);
  }
}

}  // namespace rootwright::cli
