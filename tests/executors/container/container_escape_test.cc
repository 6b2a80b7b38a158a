#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "tests/executors/container/container_host.h"

// A build that tries to leave: every attempt fails, and the host is as before.
namespace rootwright {
namespace {

struct Attempt {
  const char* name;
  // Succeeds only when it got out. @MARKER is a file of the host's, @PID a process of it, @PORT a port that
  // it listens on, at its own 127.0.0.1. Numbers of system calls are amd64's; elsewhere they fail as well.
  const char* script;
};

std::ostream& operator<<(std::ostream& out, const Attempt& attempt) { return out << attempt.name; }

constexpr Attempt kAttempts[] = {
    {"DiskNode", "mknod /tmp/disk b 254 0"},
    {"MemoryNode", "mknod /tmp/memory c 1 1"},
    {"KernelLogNode", "mknod /tmp/log c 1 11"},
    {"MountMemory", "mount -t tmpfs none /mnt"},
    {"MountProc", "mount -t proc none /mnt"},
    {"MountSys", "mount -t sysfs none /mnt"},
    {"MountBind", "mount --bind / /mnt"},
    {"RemountSysctl", "mount -o remount,rw /proc/sys"},
    {"Unmount", "umount /sys || umount /proc/meminfo || umount /proc/sys"},
    {"MountCgroupLegacy", "mount -t cgroup -o memory none /mnt"},
    {"MountCgroupUnified", "mount -t cgroup2 none /mnt"},
    {"SeeCgroups", "ls /sys/fs/cgroup || [ -n \"$(ls -A /sys)\" ]"},
    {"WriteSysctlKernel", "echo '|/bin/sh' > /proc/sys/kernel/core_pattern"},
    {"WriteSysctlMemory", "echo 1 > /proc/sys/vm/drop_caches"},
    {"WriteSysctlUsers", "echo 100 > /proc/sys/user/max_user_namespaces"},
    {"WriteSysRq", "echo h > /proc/sysrq-trigger"},
    {"ReadKernelMemory", "head -c 1 /proc/kcore"},
    {"KillHost", "kill -KILL @PID"},
    {"SeeHostProcesses", "[ -e /proc/@PID ] || [ $(ls -d /proc/[0-9]* | wc -l) -gt 6 ]"},
    {"TraceHost", "perl -e 'exit(syscall(101, 16, @PID, 0, 0) < 0)'"},
    {"ReadHostProcess", "head -c 1 /proc/@PID/environ"},
    {"LoadModule", "perl -e 'my $m = my $o = \"\"; exit(syscall(175, $m, 0, $o) < 0)'"},
    {"UnshareUser", "unshare --user true"},
    {"UnshareUserAsRoot", "unshare --user --map-root-user --mount true"},
    {"UnshareMounts", "unshare --mount true"},
    {"UnshareProcesses", "unshare --pid --fork true"},
    {"UnshareNetwork", "unshare --net true"},
    {"UnshareCgroups", "unshare --cgroup true"},
    {"EnterNamespaces", "nsenter --target 1 --mount true"},
    {"BecomeSomebodyOutside", "perl -e '$> = 70000; exit($> != 70000)'"},
    {"GiveToSomebodyOutside", "touch /tmp/mine && chown 70000 /tmp/mine"},
    {"ReadHostFile",
     "cat @MARKER || cat /proc/1/root@MARKER || cat /proc/1/cwd@MARKER || cat /.oldroot@MARKER"},
    {"LeaveRoot",
     "mkdir -p /tmp/x && perl -e 'chroot(\"/tmp/x\"); chdir(\"..\") for 1..64; chroot(\".\"); exit(!-e "
     "\"@MARKER\")'"},
    {"OpenByHandle",
     "perl -e 'open(R, \"<\", \"/\"); my $h = pack(\"IiII\", 8, 1, 2, 0); exit(syscall(304, fileno(R), $h, "
     "0) < 0)'"},
    {"SeeHostPaths", "grep -F \"$(dirname @MARKER)\" /proc/self/mountinfo"},
    {"ReachHostPort", "exec 3<>/dev/tcp/127.0.0.1/@PORT"},
    {"SeeInterfaces", "grep -v -e face -e Inter -e lo: /proc/net/dev"},
    {"SetHostName", "hostname escaped"},
    {"SetClock", "date -s 2001-01-01"},
    {"RaisePriority", "[ \"$(nice -n -10 nice)\" = -10 ]"},
    {"ReadKernelLog", "dmesg"},
    {"ChangeGuestProgram", "ls /run/rootwright"},
};

class ContainerEscape : public ::testing::TestWithParam<Attempt> {
 protected:
  static void SetUpTestSuite() {
    ContainerHost& host = ContainerHost::Get();
    marker_ = host.folder() / "marker";
    ASSERT_TRUE(WriteFileAtomically(marker_, "the host's", 0644).ok());
    victim_ = fork();
    if (victim_ == 0) {
      for (;;) pause();
    }
    listener_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(listen(listener_.get(), 4), 0);
    ASSERT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    container_ = host.NewContainer(host.NewBuild());
  }
  static void TearDownTestSuite() {
    container_.reset();
    listener_.reset();
    kill(victim_, SIGKILL);
    waitpid(victim_, nullptr, 0);
  }

  static inline std::filesystem::path marker_;
  static inline pid_t victim_ = 0;
  static inline UniqueFd listener_;
  static inline int port_ = 0;
  static inline std::unique_ptr<Environment> container_;
};

TEST_P(ContainerEscape, IsRefused) {
  const std::string script = absl::StrReplaceAll(
      GetParam().script,
      {{"@MARKER", marker_.string()}, {"@PID", absl::StrCat(victim_)}, {"@PORT", absl::StrCat(port_)}});
  const Did did = Do(*container_, script);
  ASSERT_TRUE(did.status.ok()) << did.status;
  EXPECT_FALSE(did.result.ok()) << "it got out: " << script << "\n" << did.said;
  EXPECT_EQ(kill(victim_, 0), 0);
  EXPECT_EQ(ReadFile(marker_).value_or(""), "the host's");
}

INSTANTIATE_TEST_SUITE_P(All, ContainerEscape, ::testing::ValuesIn(kAttempts),
                         [](const auto& attempt) { return std::string(attempt.param.name); });

}  // namespace
}  // namespace rootwright
