#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace rootwright {

// What to run on the host: a program found in PATH and its arguments, never a shell line.
struct SubprocessSpec {
  std::vector<std::string> argv;
  // Replaces the environment whole; absent: the caller's own.
  std::optional<std::map<std::string, std::string>> environment;
  std::string working_directory;
  // Written to its standard input, which is then closed.
  std::string input;
  // Called from the calling thread as bytes come. Absent: kept in the result.
  std::function<void(absl::string_view)> on_stdout;
  std::function<void(absl::string_view)> on_stderr;
  // Open descriptors that the program inherits, as source → number in the program.
  std::map<int, int> descriptors;
};

// How it ended. A failing program is not an error: look at exit_code and signal.
struct SubprocessResult {
  int exit_code = 0;
  // 0 unless a signal ended it.
  int signal = 0;
  // The last 1 MiB of each stream that had no callback.
  std::string output;
  std::string error_output;
  absl::Duration wall;
  absl::Duration cpu;
  int64_t peak_memory_bytes = 0;

  bool ok() const { return exit_code == 0 && signal == 0; }
};

// Runs the program and waits. It is in a process group of its own, all of which is killed
// when the deadline passes (DeadlineExceeded), a stop is asked for (Cancelled), or this
// process dies. NotFound when there is no such program.
absl::StatusOr<SubprocessResult> RunSubprocess(const SubprocessSpec& spec, Deadline deadline,
                                               std::stop_token stop);

// The same, and a failing program is an error: "what failed: argv[0]: exit 1: last line
// of its error output".
absl::StatusOr<SubprocessResult> CheckSubprocess(const SubprocessSpec& spec, Deadline deadline,
                                                 std::stop_token stop);

}  // namespace rootwright
