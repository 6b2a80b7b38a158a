#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "executors/environment.h"

namespace rootwright {

// In characters, 1 to 65535 each.
struct TerminalSize {
  int rows = 24;
  int columns = 80;
};

// A program that a person runs in an environment, as root, beside what the build does there.
struct ShellCommand {
  std::vector<std::string> argv;
  // The whole environment of the program.
  std::map<std::string, std::string> variables;
  enum class Root {
    // The imported tree, as the build's steps see it; the environment's own while there is none.
    kBuild,
    kEnvironment,
  };
  Root root = Root::kBuild;
  // Inside the root.
  std::string working_directory = "/";
  // Absent: no terminal, but pipes.
  std::optional<TerminalSize> terminal;
};

// That program while it runs. Read is for one thread, Write, EndInput and Resize for another; HangUp may come
// from any. Hangs up when it goes. What the program sends is not trusted, but bounded: one that is not read
// is held back.
class Shell {
 public:
  virtual ~Shell() = default;

  struct Said {
    OutputStream stream = OutputStream::kStdout;
    // At most 64 KiB; empty with the result.
    std::string data;
    // Set at last, once.
    std::optional<CommandResult> result;
  };
  // Waits for what it says next. Unavailable when the environment has ended, Cancelled after HangUp, else why
  // it could not be started.
  virtual absl::StatusOr<Said> Read() = 0;
  // Waits while the program reads nothing. Cancelled after HangUp; what comes after the program's end is
  // dropped.
  virtual absl::Status Write(absl::string_view data) = 0;
  // Nothing more is written. Without meaning on a terminal.
  virtual void EndInput() = 0;
  virtual void Resize(TerminalSize size) = 0;
  // Its processes get HUP, and KILL three seconds later.
  virtual void HangUp() = 0;
};

}  // namespace rootwright
