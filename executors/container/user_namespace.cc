#include "executors/container/user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace rootwright {
namespace {

absl::Status WriteMap(const std::string& path, const std::string& text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", path);
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return ErrnoStatus(errno, "write", path);
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Describe(pid_t holder, const std::string& map) {
  const std::string process = absl::StrCat("/proc/", holder);
  RW_RETURN_IF_ERROR(WriteMap(process + "/uid_map", map));
  RW_RETURN_IF_ERROR(WriteMap(process + "/gid_map", map));
  UniqueFd fd(open((process + "/ns/user").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", process + "/ns/user");
  return fd;
}

}  // namespace

absl::StatusOr<UniqueFd> MakeUserNamespace(uint32_t inside, uint32_t outside, uint32_t count) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return ErrnoStatus(errno, "make", "a user namespace");
  UniqueFd from(ready[0]), to(ready[1]);
  // The namespace lives with this child until a descriptor holds it.
  const pid_t holder = fork();
  if (holder == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const char error = unshare(CLONE_NEWUSER) == 0 ? 0 : static_cast<char>(errno);
    [[maybe_unused]] const ssize_t told = write(ready[1], &error, 1);
    for (;;) pause();
  }
  const int fork_error = errno;
  to.reset();
  if (holder < 0) return ErrnoStatus(fork_error, "make", "a user namespace");
  char error = EIO;
  [[maybe_unused]] const ssize_t heard = read(from.get(), &error, 1);
  absl::StatusOr<UniqueFd> made =
      error != 0 ? absl::StatusOr<UniqueFd>(ErrnoStatus(error, "make", "a user namespace"))
                 : Describe(holder, absl::StrCat(inside, " ", outside, " ", count, "\n"));
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  return made;
}

}  // namespace rootwright
