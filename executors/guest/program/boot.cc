#include "executors/guest/program/boot.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "executors/guest/program/console.h"
#include "executors/guest/program/disk.h"
#include "executors/guest/program/network.h"

namespace rootwright::guest {
namespace {

constexpr char kPortName[] = "rootwright.0";
constexpr char kShellPortName[] = "rootwright.1";
constexpr char kNewRoot[] = "/newroot";
// A busy host can make an emulated machine very slow.
constexpr int64_t kDeviceNanos = 60'000'000'000;

[[noreturn]] void Fail(const char* what, const std::string& cause) {
  Say("cannot boot: %s: %s", what, cause.c_str());
  PowerOff();
}

void Pause() {
  const timespec pause = {0, 2'000'000};
  nanosleep(&pause, nullptr);
}

void MountEarly(const char* type, const char* target, unsigned long flags, const char* options) {
  mkdir(target, 0755);
  // The kernel may have mounted devtmpfs itself.
  if (mount(type, target, type, flags, options) != 0 && errno != EBUSY) {
    Say("mount %s on %s: %s", type, target, std::strerror(errno));
  }
}

// The console's node may be missing in the initramfs; then the kernel gave us no descriptors.
void OpenConsole() {
  const int fd = open("/dev/console", O_RDWR | O_NOCTTY);
  if (fd < 0) return;
  for (int standard = 0; standard < 3; ++standard) dup2(fd, standard);
  if (fd > 2) close(fd);
}

std::string ReadAll(const char* path) {
  std::string text;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0 && text.size() < (1 << 20);) {
    text.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  return text;
}

void WriteTo(const char* path, const std::string& text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  const bool ok = fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!ok) Say("write %s: %s", path, std::strerror(errno));
  if (fd >= 0) close(fd);
}

// The value of "name=value" on the kernel's command line, else `fallback`.
std::string KernelArgument(const std::string& name, const char* fallback) {
  const std::string line = " " + ReadAll("/proc/cmdline") + " ";
  const size_t at = line.find(" " + name + "=");
  if (at == std::string::npos) return fallback;
  const size_t start = at + name.size() + 2;
  return line.substr(start, line.find_first_of(" \n", start) - start);
}

void LoadModules(const char* file) {
  const std::string list = ReadAll(file);
  int loaded = 0;
  for (size_t at = 0; at < list.size();) {
    size_t end = list.find('\n', at);
    if (end == std::string::npos) end = list.size();
    const std::string path = list.substr(at, end - at);
    at = end + 1;
    if (path.empty() || path[0] == '#') continue;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    // What a module lacks shows when a device is missing; that message is the useful one.
    if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != EEXIST)) {
      Say("load module %s: %s", path.c_str(), std::strerror(errno));
    } else {
      ++loaded;
    }
    if (fd >= 0) close(fd);
  }
  Say("%d modules loaded", loaded);
}

std::string WaitForRootDisk() {
  const int64_t until = Now() + kDeviceNanos;
  for (;;) {
    const std::string device = FindDisk("root");
    if (!device.empty() && access(device.c_str(), F_OK) == 0) return device;
    if (Now() > until) Fail("no disk with serial 'root'", "there is " + DisksSeen());
    Pause();
  }
}

void EnterRootDisk() {
  const std::string device = WaitForRootDisk();
  if (Problem problem = MountFileSystem(device, kNewRoot, "ext4", MS_NOATIME, "")) {
    Fail("the root disk", problem.text);
  }
  for (const char* folder : {"/dev", "/proc", "/sys"}) {
    const std::string target = std::string(kNewRoot) + folder;
    mkdir(target.c_str(), 0755);
    if (mount(folder, target.c_str(), nullptr, MS_MOVE, nullptr) != 0) {
      Fail("move a mount to the root disk", Problem::Of(errno, "mount", target).text);
    }
  }
  if (chdir(kNewRoot) != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 || chroot(".") != 0 ||
      chdir("/") != 0) {
    Fail("change to the root disk", std::strerror(errno));
  }
  Say("root is %s", device.c_str());
}

// The card of a machine that may reach out: the kernel's command line has its addresses.
void BringNetworkUp() {
  const std::string address = KernelArgument("rootwright.address", "");
  if (address.empty()) return;
  LoadModules("/modules/load-network");
  if (Problem problem = SetUpCard("eth0", address, KernelArgument("rootwright.netmask", "255.255.255.0"),
                                  KernelArgument("rootwright.gateway", ""))) {
    Fail("the network card", problem.text);
  }
}

void PrepareForPrograms() {
  MountEarly("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
  MountEarly("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
  MountEarly("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755");
  MountEarly("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777");
  MountEarly("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  // What udev makes elsewhere.
  constexpr const char* kLinks[][2] = {{"/proc/self/fd", "/dev/fd"},
                                       {"/proc/self/fd/0", "/dev/stdin"},
                                       {"/proc/self/fd/1", "/dev/stdout"},
                                       {"/proc/self/fd/2", "/dev/stderr"}};
  for (const auto& link : kLinks) {
    if (symlink(link[0], link[1]) != 0 && errno != EEXIST) Say("make %s: %s", link[1], std::strerror(errno));
  }
  BringLoopbackUp();
  const std::string name = KernelArgument("rootwright.hostname", "rootwright");
  if (sethostname(name.c_str(), name.size()) != 0) Say("set the host name: %s", std::strerror(errno));
  setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

std::string FindPort(const char* wanted) {
  std::string device;
  DIR* const folder = opendir("/sys/class/virtio-ports");
  if (folder == nullptr) return device;
  while (const dirent* entry = readdir(folder)) {
    const std::string port = entry->d_name;
    if (port[0] == '.') continue;
    const std::string name = ReadAll(("/sys/class/virtio-ports/" + port + "/name").c_str());
    if (name == std::string(wanted) + "\n") device = "/dev/" + port;
  }
  closedir(folder);
  return device;
}

}  // namespace

void PowerOff() {
  sync();
  reboot(RB_POWER_OFF);
  // Not reached but where the kernel cannot power off: a first process must not end.
  for (;;) pause();
}

std::string ShellPort() { return FindPort(kShellPortName); }

std::string CommandCgroup() {
  constexpr char kFolder[] = "/sys/fs/cgroup/rootwright";
  if (access("/sys/fs/cgroup/cgroup.procs", F_OK) != 0) return {};
  WriteTo("/sys/fs/cgroup/cgroup.subtree_control", "+pids");
  if (mkdir(kFolder, 0755) != 0 && errno != EEXIST) return {};
  const std::string processes = KernelArgument("rootwright.processes", "");
  if (!processes.empty()) WriteTo("/sys/fs/cgroup/rootwright/pids.max", processes);
  return kFolder;
}

std::string Boot() {
  umask(022);
  MountEarly("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  MountEarly("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  MountEarly("devtmpfs", "/dev", MS_NOSUID, "mode=755");
  OpenConsole();
  Say("started");
  LoadModules("/modules/load");
  BringNetworkUp();
  if (KernelArgument("rootwright.root", "") != "none") EnterRootDisk();
  PrepareForPrograms();
  const int64_t until = Now() + kDeviceNanos;
  for (;;) {
    const std::string port = FindPort(kPortName);
    if (!port.empty() && access(port.c_str(), F_OK) == 0) return port;
    if (Now() > until) Fail("no virtio-serial port", kPortName);
    Pause();
  }
}

}  // namespace rootwright::guest
