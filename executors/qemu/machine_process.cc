#include "executors/qemu/machine_process.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wait.h"

namespace rootwright {
namespace {

// /proc's files have no size; a process that ends meanwhile reads as empty.
std::string CommandLine(const std::filesystem::path& process) {
  std::ifstream file(process / "cmdline", std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

bool IsMachine(const std::string& command_line, const std::string& domain,
               const std::filesystem::path& disk) {
  return absl::StrContains(command_line, "qemu-system-") &&
         absl::StrContains(command_line, absl::StrCat("guest=", domain, ",")) &&
         absl::StrContains(command_line, absl::StrCat("\"filename\":\"", disk.string(), "\""));
}

}  // namespace

absl::StatusOr<UniqueFd> FindMachineProcess(const std::string& domain, const std::filesystem::path& disk) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    if (!IsMachine(CommandLine(entry.path()), domain, disk)) continue;
    UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    // The number could have gone to another process before the descriptor held it.
    if (process && IsMachine(CommandLine(entry.path()), domain, disk)) return process;
  }
  return absl::NotFoundError(absl::StrCat("find the process of domain: ", domain, ": there is none"));
}

bool IsMachineProcess(pid_t process, const std::string& domain, const std::filesystem::path& disk) {
  return IsMachine(CommandLine(absl::StrCat("/proc/", process)), domain, disk);
}

absl::Status KillMachineProcess(const std::string& domain, const std::filesystem::path& disk,
                                Deadline deadline) {
  const absl::StatusOr<UniqueFd> process = FindMachineProcess(domain, disk);
  if (!process.ok()) return absl::OkStatus();
  if (syscall(SYS_pidfd_send_signal, process->get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH) {
    return ErrnoStatus(errno, "kill the process of domain", domain);
  }
  const StopFd never{std::stop_token()};
  return WaitFor(process->get(), POLLIN, deadline, never,
                 absl::StrCat("kill the process of domain: ", domain))
      .status();
}

}  // namespace rootwright
