#include "agent/link/shells.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"

namespace rootwright {
namespace {

constexpr int kMostWords = 1024;
constexpr int kMostVariables = 256;
constexpr size_t kMostBytes = 128 * 1024;
// For the master to end its half when the program has ended.
constexpr std::chrono::seconds kEndLimit{5};
// Whatever the environment's root has.
constexpr const char* kLoginShell =
    "cd \"$HOME\" 2>/dev/null; if [ -x /bin/bash ]; then exec /bin/bash -l; fi; exec /bin/sh -l";

TerminalSize SizeOf(const v1::TerminalSize& size) {
  return {std::clamp(size.rows(), 1, 65535), std::clamp(size.columns(), 1, 65535)};
}

v1::ShellOutput FailedOutput(const absl::Status& status) {
  v1::ShellOutput output;
  output.mutable_failed()->set_code(static_cast<int>(status.code()));
  output.mutable_failed()->set_message(std::string(status.message()));
  return output;
}

bool Write(ShellStream& stream, v1::ShellOutput output) {
  v1::ServeShellRequest message;
  *message.mutable_output() = std::move(output);
  return stream.Write(message);
}

}  // namespace

absl::StatusOr<ShellCommand> ShellCommandOf(const v1::ShellCommand& asked) {
  size_t bytes = asked.working_directory().size();
  for (const std::string& word : asked.argv()) bytes += word.size();
  for (const auto& [name, value] : asked.environment()) {
    if (name.empty() || name.find('=') != std::string::npos)
      return absl::InvalidArgumentError(absl::StrCat("shell: not the name of a variable: '", name, "'"));
    bytes += name.size() + value.size();
  }
  if (asked.argv_size() > kMostWords || asked.environment_size() > kMostVariables || bytes > kMostBytes)
    return absl::InvalidArgumentError("shell: more than 1,024 words, 256 variables or 128 KiB");
  if (!asked.working_directory().empty() && asked.working_directory().front() != '/')
    return absl::InvalidArgumentError("shell: the working directory is not an absolute path");
  ShellCommand command;
  command.argv = {asked.argv().begin(), asked.argv().end()};
  if (command.argv.empty()) command.argv = {"/bin/sh", "-c", kLoginShell};
  command.variables = {{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
                       {"HOME", "/root"},
                       {"USER", "root"},
                       {"LOGNAME", "root"},
                       {"LANG", "C.UTF-8"}};
  for (const auto& [name, value] : asked.environment()) command.variables[name] = value;
  command.root = asked.own_root() ? ShellCommand::Root::kEnvironment : ShellCommand::Root::kBuild;
  if (!asked.working_directory().empty()) command.working_directory = asked.working_directory();
  if (asked.has_terminal()) {
    command.terminal = SizeOf(asked.terminal());
    command.variables.try_emplace("TERM", "dumb");
  }
  return command;
}

Shells::~Shells() {
  std::list<Running> all;
  {
    MutexLock lock(mutex_);
    for (Running& running : running_) {
      running.thread.request_stop();
      running.stream->Cancel();
    }
    all.swap(running_);
  }
  // Their threads look at nothing but their own entry.
  for (Running& running : all) running.thread.join();
}

void Shells::Serve(const v1::OpenShell& asked) {
  Sweep();
  MutexLock lock(mutex_);
  Running& running = running_.emplace_back();
  running.stream = wire_.ServeShell();
  running.thread = std::jthread([this, asked, &running, stream = running.stream](std::stop_token stop) {
    spdlog::info("build {}: a shell is opened", asked.build_id());
    Run(asked, *stream, std::move(stop));
    spdlog::info("build {}: a shell has ended", asked.build_id());
    MutexLock ending(mutex_);
    running.ended = true;
  });
}

void Shells::Sweep() {
  // Joined when this goes, outside the lock.
  std::list<Running> ended;
  MutexLock lock(mutex_);
  for (auto at = running_.begin(); at != running_.end();) {
    const auto next = std::next(at);
    if (at->ended) ended.splice(ended.end(), running_, at);
    at = next;
  }
}

void Shells::Run(const v1::OpenShell& asked, ShellStream& stream, std::stop_token stop) {
  v1::ServeShellRequest hello;
  hello.set_shell_id(asked.shell_id());
  if (!stream.Write(hello)) return;
  absl::StatusOr<std::unique_ptr<Shell>> shell;
  const absl::StatusOr<ShellCommand> command = ShellCommandOf(asked.command());
  if (command.ok()) {
    shell = builds_.OpenShell(asked.build_id(), *command, std::move(stop));
  } else {
    shell = command.status();
  }
  Mutex mutex;
  CondVar changed;
  bool fed = false;
  std::thread feeder([&] {
    if (shell.ok()) {
      Feed(stream, **shell);
    } else {
      // Only its end is awaited.
      v1::ServeShellResponse message;
      while (stream.Read(&message)) {
      }
    }
    {
      MutexLock lock(mutex);
      fed = true;
    }
    changed.notify_all();
  });
  Write(stream, shell.ok() ? Drain(**shell, stream) : FailedOutput(shell.status()));
  stream.EndWriting();
  {
    MutexLock lock(mutex);
    changed.wait_for(mutex, kEndLimit, [&] { return fed; });
    if (!fed) stream.Cancel();
  }
  feeder.join();
}

void Shells::Feed(ShellStream& stream, Shell& shell) {
  v1::ServeShellResponse message;
  absl::Status written;
  while (written.ok() && stream.Read(&message)) {
    const v1::ShellInput& input = message.input();
    if (input.has_data()) written = shell.Write(input.data());
    if (input.end()) shell.EndInput();
    if (input.has_resize()) shell.Resize(SizeOf(input.resize()));
  }
  // Whoever asked is gone, or everything is over.
  shell.HangUp();
  while (stream.Read(&message)) {
  }
}

v1::ShellOutput Shells::Drain(Shell& shell, ShellStream& stream) {
  for (;;) {
    absl::StatusOr<Shell::Said> said = shell.Read();
    if (!said.ok()) return FailedOutput(said.status());
    v1::ShellOutput output;
    if (said->result) {
      output.mutable_ended()->set_exit_code(said->result->exit_code);
      output.mutable_ended()->set_signal(said->result->signal);
      return output;
    }
    if (said->stream == OutputStream::kStdout) {
      output.set_data(std::move(said->data));
    } else {
      output.set_error_data(std::move(said->data));
    }
    if (!Write(stream, std::move(output))) {
      shell.HangUp();
      return FailedOutput(absl::CancelledError("shell: nobody listens"));
    }
  }
}

}  // namespace rootwright
