#include "executors/guest/program/server.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

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

}  // namespace

ServeEnd Serve(Port& port, Session& session) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const int signals = OpenSignals();
  std::vector<pollfd> polls;
  while (true) {
    const bool sent = Flush(port, session);
    if (session.shutdown_asked() && (sent || !port.connected())) return ServeEnd::kShutdown;
    polls.clear();
    polls.push_back({signals, POLLIN, 0});
    // The port comes last: what it asks may open descriptors with numbers that were just closed.
    session.AddPolls(polls);
    port.AddPolls(polls, !session.full(), !sent);
    poll(polls.data(), polls.size(), Sooner(port.WaitMillis(), session.WaitMillis()));
    port.LookAgain();
    for (const pollfd& ready : polls) {
      if (ready.revents == 0) continue;
      if (ready.fd == signals) {
        ReadSignals(signals);
        session.Reap();
        continue;
      }
      Port::Event event = port.OnReady(ready);
      if (event == Port::Event::kReadable) Receive(port, session, event);
      if (event == Port::Event::kGone) session.Reset();
      if (event == Port::Event::kFinished) {
        session.Reset();
        return ServeEnd::kHostGone;
      }
      session.OnReady(ready);
    }
    session.Tick();
  }
}

}  // namespace rootwright::guest
