#pragma once

#include <poll.h>
#include <sys/resource.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "executors/guest/program/disk.h"
#include "executors/guest/program/processes.h"
#include "executors/guest/protocol.h"

namespace rootwright::guest {

// One command from Exec to Exited. It is over when its main process is, and its output: all
// that was in the pipes at that moment has been sent, and they are closed or half a second
// has passed, for a daemon may hold them for ever. After TERM or KILL it is over only when
// none of its processes is left.
//
// A shell is a command whose input goes on, and which may have a terminal.
class Command {
 public:
  // Null, with the problem, when nothing was started. A program that cannot be executed is
  // a command that says so on stderr and exits with 126 or 127.
  static std::unique_ptr<Command> Start(const Exec& exec, ProcessHome& home, Problem& problem);
  static std::unique_ptr<Command> Start(const Shell& shell, ProcessHome& home, Problem& problem);
  ~Command();

  uint32_t request() const { return request_; }
  pid_t pid() const { return pid_; }
  bool exited() const { return exited_; }

  // False when it is more than was announced, or than a shell has room for.
  bool AddInput(std::string_view data);
  // False when it is more than anybody could owe.
  bool AddCredit(uint32_t bytes);
  // The terminal's new size; nothing without one.
  void Resize(uint16_t rows, uint16_t columns);
  void Signal(int number);
  void OnExit(int status, const rusage& usage);

  // Adds what is to be waited for; output only when `room`.
  void AddPolls(std::vector<pollfd>& polls, bool room) const;
  // Deals with one of its descriptors that poll(2) reported; appends Output to `out`.
  void OnReady(const pollfd& ready, std::string& out);
  // To be called at least every WaitMillis(); -1: no need.
  int WaitMillis() const;
  bool Finished();
  // Input that a shell has taken since the last call, worth telling the host; else 0.
  uint32_t TakeInputCredit();
  Exited Result() const;
  // Kills what is left; true when nobody is.
  bool Abandon();

 private:
  struct Pipe {
    int fd = -1;
    // What was in it when the main process ended.
    size_t owed = 0;
  };

  enum class Kind { kCommand, kShell };
  Command(const Exec& exec, ProcessHome& home, Kind kind);
  // Null: pipes.
  static std::unique_ptr<Command> Start(const Exec& exec, ProcessHome& home, Kind kind, const Shell* terminal,
                                        Problem& problem);
  void Drain(Pipe& pipe, uint8_t stream, std::string& out);
  void Feed();
  void CloseInput();

  const Kind kind_;
  const uint32_t request_;
  ProcessSet processes_;
  pid_t pid_ = 0;
  int64_t started_ = 0;
  uint32_t credit_;
  // Of standard input: not yet received; received and not yet written.
  uint32_t input_missing_;
  std::string input_;
  size_t input_written_ = 0;
  int input_fd_ = -1;
  // Of a shell: more input may come; how much was taken that the host does not know of.
  bool input_goes_on_ = false;
  uint32_t input_taken_ = 0;
  bool has_terminal_ = false;
  Pipe streams_[2];
  bool exited_ = false;
  int64_t exited_at_ = 0;
  int status_ = 0;
  rusage usage_{};
  // TERM or KILL was sent.
  bool ending_ = false;
  bool killed_ = false;
};

}  // namespace rootwright::guest
