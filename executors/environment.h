#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace rootwright {

class Shell;
struct ShellCommand;

enum class OutputStream { kStdout, kStderr };

// Takes output as it comes, in any pieces, from the thread that waits for the command.
using OutputSink = std::function<void(OutputStream, absl::string_view)>;

// Takes the pieces of a file in order. An error ends the call that sends them, which returns it.
using FileSink = std::function<absl::Status(absl::string_view)>;

// A program to run inside an environment, as root.
struct EnvironmentCommand {
  std::vector<std::string> argv;
  // The whole environment of the program.
  std::map<std::string, std::string> variables;
  // Path inside the environment that becomes the program's root; "/" is the environment's
  // own, another value comes from ImportTree.
  std::string root = "/";
  // Inside `root`.
  std::string working_directory = "/";
  // What it reads from standard input, at most 1 MiB.
  std::string input;
};

// How it ended. A failing command is data, not a Status.
struct CommandResult {
  int exit_code = 0;
  // 0 unless a signal ended it.
  int signal = 0;
  absl::Duration wall;
  // User and system time of the command and all its children.
  absl::Duration cpu;
  int64_t peak_memory_bytes = 0;
  // Of one that failed, when the environment knows more than the code tells: "the memory limit of 512.0 MiB
  // was reached, and the kernel killed". Else empty.
  std::string cause;

  bool ok() const { return exit_code == 0 && signal == 0; }
};

// One disposable environment: a machine or a container, made for one build and thrown away
// after it. Its calls come from the build's thread, one at a time; only Kill and OpenShell may come from
// another. Every error is an infrastructure error, except Cancelled (the token asked) and
// DeadlineExceeded. What the environment sends is not trusted.
//
// It has no network but its own loopback, unless its spec says Network::kOutbound: /etc/resolv.conf names a
// resolver then, in its own root and in an imported tree while that is here.
//
// All implementations pass tests/executors/environment_contract.h.
class Environment {
 public:
  virtual ~Environment() = default;

  // Starts it and waits for its first answer. Called once. A boot error's message ends
  // with the tail of the console.
  virtual absl::Status Reach(Deadline deadline, std::stop_token stop) = 0;

  // Runs a command to its end. When stopped or late, all of the command's processes get
  // TERM, then KILL, before the call returns.
  virtual absl::StatusOr<CommandResult> Run(const EnvironmentCommand& command, const OutputSink& sink,
                                            Deadline deadline, std::stop_token stop) = 0;

  // One file, at most 64 MiB. Missing folders are made. The path is absolute, in the environment's own root.
  virtual absl::Status PutFile(absl::string_view path, int mode, absl::string_view content, Deadline deadline,
                               std::stop_token stop) = 0;
  // One file of any size, piece by piece. ResourceExhausted once it is larger than max_bytes, NotFound when
  // there is none, InvalidArgument when it is no regular file.
  virtual absl::Status GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink,
                               Deadline deadline, std::stop_token stop) = 0;

  // Gives the environment its own writable copy of a folder of the host, as bulk, and
  // returns where it is inside; owners, modes, links and extended attributes are kept, the
  // folder itself is not changed. At most once.
  virtual absl::StatusOr<std::string> ImportTree(const std::filesystem::path& tree, const OutputSink& sink,
                                                 Deadline deadline, std::stop_token stop) = 0;

  // Shows a folder of the host inside, as bulk and for reading only, at the absolute path `at` in the
  // environment's own root, which may lie in the imported tree; owners and modes are kept. Folders that `at`
  // lacks are made; what is there is covered. The folder stays as it is until the environment ends. At most
  // kMostInputs times.
  virtual absl::Status ShareInputs(const std::filesystem::path& folder, absl::string_view at,
                                   Deadline deadline, std::stop_token stop) = 0;
  static constexpr int kMostInputs = 8;

  // Writes what the environment changed in the imported tree as a raw tar archive to
  // `archive` on the host. What was removed stands in it the way overlayfs keeps it:
  // character devices 0:0 (of any owner) for what is gone, "trusted.overlay.opaque" on replaced folders.
  virtual absl::Status ExportChanges(const std::filesystem::path& archive, Deadline deadline,
                                     std::stop_token stop) = 0;

  // Runs a program for a person (executors/shell.h), beside all the other calls and from any thread; at most
  // 16 of them run at a time. The shell may outlive the environment, and is Unavailable then. Unimplemented
  // where there is no such thing.
  virtual absl::StatusOr<std::unique_ptr<Shell>> OpenShell(const ShellCommand& command, Deadline deadline,
                                                           std::stop_token stop);

  // A few words for people on what it is: "cortex-a57, 1 vCPU, emulated, domain rootwright-7f3a".
  virtual std::string Describe() const = 0;

  // Versions of what it runs on, for the manifest: {"qemu", "7.2.22"}. Asked while it runs.
  virtual std::map<std::string, std::string> Tools() { return {}; }

  // CPU time used so far, as the host counts it; tells silent from idle.
  virtual absl::StatusOr<absl::Duration> CpuTime() = 0;

  // Ends it, in order if it answers within `grace` and by force then. Only its files in the work folder are
  // left, for the folder's owner to remove. May be called again; the destructor calls it with no grace.
  virtual absl::Status End(absl::Duration grace) = 0;

  // Ends it by force, from any thread; a call that waits returns Unavailable.
  virtual void Kill() = 0;
};

}  // namespace rootwright
