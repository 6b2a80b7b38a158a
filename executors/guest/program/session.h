#pragma once

#include <poll.h>
#include <sys/resource.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "executors/guest/frame.h"
#include "executors/guest/program/command.h"
#include "executors/guest/program/files.h"
#include "executors/guest/protocol.h"

namespace rootwright::guest {

// What this guest may do, and where.
struct Powers {
  // It is the machine's own init: clock, entropy and power are its business.
  bool owns_machine = false;
};

// The guest's side of one conversation: takes bytes, does what they ask, has bytes to send.
// It never blocks, and what it keeps is bounded: replies wait for the host to ask no more
// than it reads, output waits for credit and for room.
class Session {
 public:
  // Sessions of one guest share `home`, which outlives them.
  Session(const Powers& powers, ProcessHome& home);

  // Bytes from the host.
  uint8_t* Space(size_t& size) { return parser_.Space(size); }
  // False: the host broke the protocol; the session has started anew.
  bool Take(size_t size);
  // Too much is unsent to listen further.
  bool full() const;

  // Bytes for the host.
  std::string_view unsent() const { return std::string_view(out_).substr(sent_); }
  void Sent(size_t size);

  // The host is gone: ends its commands and forgets everything.
  void Reset();

  // A process has ended; of no matter when it is none of this session's.
  void OnExit(pid_t pid, int status, const rusage& usage);
  void AddPolls(std::vector<pollfd>& polls) const;
  void OnReady(const pollfd& ready);
  // What time brings. To be called after anything else, and after WaitMillis().
  void Tick();
  int WaitMillis() const;

  bool shutdown_asked() const { return shutdown_asked_; }

 private:
  bool Handle(const Frame& frame);
  template <typename Message>
  bool Decoded(const Frame& frame);

  void On(const Hello& hello);
  void On(const Ping& ping);
  void On(const Exec& exec);
  void On(const Shell& shell);
  void On(const Resize& resize);
  void On(const Input& input);
  void On(const Credit& credit);
  void On(const Signal& signal);
  void On(const PutFile& piece);
  void On(const GetFile& what);
  void On(const SyncClock& clock);
  void On(const Reseed& reseed);
  void On(const Mount& mount);
  void On(const Sync& sync);
  void On(const Shutdown& shutdown);

  void Abandon();
  void Answer(uint32_t request, const Problem& problem);
  Command* Find(uint32_t request);
  // Starts an Exec or a Shell.
  template <typename Message>
  void Start(const Message& message);
  bool room() const;

  const Powers powers_;
  ProcessHome& home_;
  FrameParser parser_;
  std::string out_;
  size_t sent_ = 0;
  // The last message was one that no honest host sends.
  bool offended_ = false;
  // When half a frame was there first; 0: it is not.
  int64_t stalled_since_ = 0;
  bool shutdown_asked_ = false;
  FilePut put_;
  std::vector<std::unique_ptr<Command>> commands_;
  // Killed, not yet all gone.
  std::vector<std::unique_ptr<Command>> dying_;
};

}  // namespace rootwright::guest
