#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "ci/cli/master_client.h"

namespace rootwright::cli {

// How a program in an environment ended.
struct ShellEnd {
  int exit_code = 0;
  int signal = 0;

  // As a shell tells it: 128 and the signal.
  int status() const { return signal != 0 ? 128 + signal : exit_code; }
};

// Runs a program in the environment of a build with this process's standard streams as its own, until it
// ends. With a terminal on standard input it gets one too: raw here, of the same size, and its size follows.
// SIGTERM, SIGHUP and, without a terminal, Ctrl-C end it: Cancelled. To be called before the first thread of
// gRPC was made, with ShellSignals in place.
class ShellSignals {
 public:
  // Blocks the signals that the shell's thread looks for.
  ShellSignals();
  // As they were.
  ~ShellSignals();
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

enum class TerminalUse { kWhenThereIsOne, kNever };
absl::StatusOr<ShellEnd> RunShellHere(BuildClient& client, v1::ShellStart start, const ShellSignals& signals,
                                      TerminalUse use = TerminalUse::kWhenThereIsOne);

// What a program said that was run for its output.
struct ShellOutputText {
  ShellEnd end;
  std::string out;
  std::string err;
};
// `input` is all that it reads. ResourceExhausted when it says more than 1 MiB.
absl::StatusOr<ShellOutputText> RunShellForOutput(BuildClient& client, v1::ShellStart start,
                                                  const std::string& input);

}  // namespace rootwright::cli
