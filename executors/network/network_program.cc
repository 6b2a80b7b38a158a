#include "executors/network/network_program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "base/wait.h"

namespace rootwright {
namespace {

std::string Ending(const absl::StatusOr<SubprocessResult>& result) {
  if (!result.ok()) return std::string(result.status().message());
  absl::string_view words = absl::StripAsciiWhitespace(result->error_output);
  // The last line is why; those before it are of minor things.
  words.remove_prefix(words.rfind('\n') + 1);
  return absl::StrCat(result->signal != 0 ? absl::StrCat("signal ", result->signal)
                                          : absl::StrCat("exit ", result->exit_code),
                      words.empty() ? "" : ": ", words);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NetworkProgram>> NetworkProgram::Start(SubprocessSpec spec,
                                                                      const std::string& whose,
                                                                      Deadline deadline,
                                                                      std::stop_token stop) {
  // A name, not a descriptor: newer versions close what they inherit.
  RW_ASSIGN_OR_RETURN(const ScopedFolder folder,
                      ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-network-"));
  const std::string path = folder.path() / "ready";
  if (mkfifo(path.c_str(), 0600) != 0) return ErrnoStatus(errno, "make a pipe", path);
  const UniqueFd from(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  // Held until the program has ended: then nobody can write any more.
  UniqueFd to(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!from || !to) return ErrnoStatus(errno, "open a pipe", path);
  spec.argv.insert(spec.argv.end(), {"--pid", path});
  std::unique_ptr<NetworkProgram> program(new NetworkProgram(whose));
  program->runner_ =
      std::jthread([raw = program.get(), spec = std::move(spec), to = std::move(to)](
                       const std::stop_token& end) mutable { raw->Run(spec, std::move(to), end); });
  const StopFd stopped(std::move(stop));
  RW_RETURN_IF_ERROR(
      WaitFor(from.get(), POLLIN, deadline, stopped, absl::StrCat("network of ", whose)).status());
  char text[32] = {};
  const ssize_t got = read(from.get(), text, sizeof text - 1);
  if (got > 0 && absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &program->pid_)) {
    MutexLock lock(program->mutex_);
    program->ready_ = true;
    return program;
  }
  return absl::UnavailableError(absl::StrCat("network of ", whose, ": ", program->TakeEnding()));
}

void NetworkProgram::Run(const SubprocessSpec& spec, UniqueFd ready, const std::stop_token& stop) {
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(spec, Deadline::Never(), stop);
  {
    MutexLock lock(mutex_);
    ending_ = absl::StrCat(spec.argv[0], ": ", Ending(result));
    // passt ends well when its machine does.
    if (ready_ && !stop.stop_requested() && !(result.ok() && result->ok()))
      spdlog::warn("network of {}: {}", whose_, ending_);
  }
  ready.reset();
}

std::string NetworkProgram::TakeEnding() {
  MutexLock lock(mutex_);
  return ending_;
}

}  // namespace rootwright
