#include "tests/executors/libvirt/private_libvirtd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "base/wait.h"
#include "executors/libvirt/libvirt_connection.h"

namespace rootwright {
namespace {

std::string Script() {
  const char* source = std::getenv("ROOTWRIGHT_SOURCE");
  return std::filesystem::path(source == nullptr ? "." : source) / "ci/private-libvirtd";
}

}  // namespace

PrivateLibvirtd::PrivateLibvirtd(std::filesystem::path folder, std::filesystem::path share)
    : folder_(std::move(folder)), share_(std::move(share)) {
  // As our programs do: a client of a libvirtd that was killed writes to a closed socket.
  signal(SIGPIPE, SIG_IGN);
  Start();
}

PrivateLibvirtd::~PrivateLibvirtd() { End(); }

void PrivateLibvirtd::End() {
  SubprocessSpec end;
  end.argv = {Script(), "--end", (folder_ / "libvirt").string()};
  const auto ended = RunSubprocess(end, Deadline::In(absl::Minutes(1)), {});
  if (!ended.ok() || !ended->ok())
    std::cerr << "libvirtd or what it started may be left in " << folder_ << "\n";
  if (process_ > 0) waitpid(process_, nullptr, 0);
  process_ = 0;
}

void PrivateLibvirtd::Start() {
  const std::string script = Script();
  const std::string where = folder_ / "libvirt";
  const std::string log = folder_ / "libvirtd.log";
  process_ = fork();
  if (process_ == 0) {
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, 1);
    dup2(out, 2);
    setpgid(0, 0);
    execl(script.c_str(), script.c_str(), "--share", share_.c_str(), where.c_str(), nullptr);
    _exit(127);
  }
  LibvirtSettings settings;
  settings.uri = Uri("qemu");
  for (const Deadline deadline = Deadline::In(absl::Minutes(1));;) {
    const auto connection = LibvirtConnection::Create(settings);
    if (connection.ok() && (*connection)->Check().ok()) return;
    if (deadline.Passed() || waitpid(process_, nullptr, WNOHANG) != 0) {
      End();
      throw std::runtime_error(absl::StrCat("libvirtd does not start:\n", ReadFile(log).value_or("")));
    }
    SleepFor(absl::Milliseconds(50), {}).IgnoreError();
  }
}

void PrivateLibvirtd::Kill() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  process_ = 0;
}

std::string PrivateLibvirtd::Uri(const std::string& driver) const {
  return absl::StrCat(driver, "+unix:///system?socket=", folder_.string(), "/libvirt/libvirt-sock");
}

}  // namespace rootwright
