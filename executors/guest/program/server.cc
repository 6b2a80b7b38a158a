#include "executors/guest/program/server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "executors/guest/program/console.h"

namespace rootwright::guest {
namespace {

// Child ends and news of the port come as bytes, so that one poll waits for all.
int OpenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  sigaddset(&signals, SIGIO);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

void ReadSignals(int fd) {
  signalfd_siginfo infos[16];
  while (read(fd, infos, sizeof infos) > 0) {
  }
}

int Sooner(int a, int b) { return a < 0 ? b : b < 0 ? a : std::min(a, b); }

// Sends what there is; true when all is gone.
bool Flush(Port& port, Session& session) {
  while (port.connected() && !session.unsent().empty()) {
    const size_t put = port.Write(session.unsent().data(), session.unsent().size());
    if (put == 0) return false;
    session.Sent(put);
  }
  return true;
}

void Receive(Port& port, Session& session, Port::Event& event) {
  size_t space = 0;
  uint8_t* const into = session.Space(space);
  const size_t got = port.Read(into, space, event);
  if (got > 0 && !session.Take(got)) Say("the host broke the protocol: waiting for a new greeting");
}

void Reap(const std::vector<Line>& lines) {
  for (;;) {
    int status = 0;
    rusage usage{};
    const pid_t pid = wait4(-1, &status, WNOHANG, &usage);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return;
    for (const Line& line : lines) line.session.OnExit(pid, status, usage);
  }
}

// Adds all that the lines wait for; -1 or how long that may be.
int AddPolls(const std::vector<Line>& lines, std::vector<pollfd>& polls) {
  int wait = -1;
  for (const Line& line : lines) {
    line.session.AddPolls(polls);
    wait = Sooner(wait, Sooner(line.port.WaitMillis(), line.session.WaitMillis()));
  }
  // The ports come last: what they ask may open descriptors with numbers that were just closed.
  for (const Line& line : lines)
    line.port.AddPolls(polls, !line.session.full(), !line.session.unsent().empty());
  return wait;
}

// False when the line can carry nothing any more.
bool OnReady(const Line& line, const pollfd& ready) {
  Port::Event event = line.port.OnReady(ready);
  if (event == Port::Event::kReadable) Receive(line.port, line.session, event);
  if (event == Port::Event::kGone || event == Port::Event::kFinished) line.session.Reset();
  if (event == Port::Event::kFinished) return false;
  line.session.OnReady(ready);
  return true;
}

}  // namespace

ServeEnd Serve(const std::vector<Line>& lines) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const int signals = OpenSignals();
  std::vector<pollfd> polls;
  while (true) {
    for (const Line& line : lines) {
      const bool sent = Flush(line.port, line.session);
      if (line.session.shutdown_asked() && (sent || !line.port.connected())) return ServeEnd::kShutdown;
    }
    polls.clear();
    polls.push_back({signals, POLLIN, 0});
    const int wait = AddPolls(lines, polls);
    poll(polls.data(), polls.size(), wait);
    for (const Line& line : lines) line.port.LookAgain();
    for (const pollfd& ready : polls) {
      if (ready.revents == 0) continue;
      if (ready.fd == signals) {
        ReadSignals(signals);
        Reap(lines);
        continue;
      }
      for (const Line& line : lines) {
        if (!OnReady(line, ready) && &line == &lines.front()) return ServeEnd::kHostGone;
      }
    }
    for (const Line& line : lines) line.session.Tick();
  }
}

}  // namespace rootwright::guest
