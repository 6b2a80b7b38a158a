#include "executors/guest/program/processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rootwright::guest {
namespace {

// The start of a file of the kernel's.
std::string ReadStart(const std::string& path, size_t most) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::string text(most, '\0');
  size_t size = 0;
  while (size < most) {
    const ssize_t got = read(fd, text.data() + size, most - size);
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  close(fd);
  text.resize(size);
  return text;
}

bool WriteText(const std::string& path, const char* text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write(fd, text, std::strlen(text)) > 0;
  close(fd);
  return ok;
}

}  // namespace

ProcessSet::ProcessSet(ProcessHome& home, uint32_t request, Orphans orphans)
    : home_(home), orphans_(orphans) {
  if (!home_.cgroup_root.empty()) {
    cgroup_ = home_.cgroup_root + "/command-" + std::to_string(request);
    mkdir(cgroup_.c_str(), 0755);
    join_fd_ = open((cgroup_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
    if (join_fd_ >= 0) return;
    rmdir(cgroup_.c_str());
    cgroup_.clear();
  }
  for (const Process& process : Living()) {
    if (process.parent == getpid()) before_.push_back(process);
  }
}

ProcessSet::~ProcessSet() {
  MainReaped();
  if (join_fd_ >= 0) close(join_fd_);
  // Stays while a daemon lives in it.
  if (!cgroup_.empty()) rmdir(cgroup_.c_str());
}

void ProcessSet::MainStarted(pid_t main) {
  main_ = main;
  home_.mains.push_back(main);
}

void ProcessSet::MainReaped() {
  std::erase(home_.mains, main_);
  main_ = 0;
}

void ProcessSet::Join() {
  if (join_fd_ < 0) return;
  [[maybe_unused]] const ssize_t written = write(join_fd_, "0", 1);
}

std::vector<ProcessSet::Process> ProcessSet::Living() {
  std::vector<Process> processes;
  DIR* const folder = opendir("/proc");
  if (folder == nullptr) return processes;
  while (const dirent* entry = readdir(folder)) {
    const pid_t pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    const std::string stat = ReadStart(std::string("/proc/") + entry->d_name + "/stat", 1024);
    // The name may hold anything, parentheses too: the fields start after the last one.
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    char state = 0;
    int parent = 0;
    unsigned long long start = 0;
    if (std::sscanf(stat.c_str() + name_end + 1,
                    " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
                    &parent, &start) != 3) {
      continue;
    }
    if (state != 'Z' && state != 'X') processes.push_back({pid, parent, start});
  }
  closedir(folder);
  return processes;
}

std::vector<pid_t> ProcessSet::Members() const {
  std::vector<pid_t> members;
  if (!cgroup_.empty()) {
    const std::string text = ReadStart(cgroup_ + "/cgroup.procs", 1 << 16);
    for (const char* at = text.c_str(); *at != '\0';) {
      char* end = nullptr;
      const pid_t pid = static_cast<pid_t>(std::strtol(at, &end, 10));
      if (end == at) break;
      if (pid > 0) members.push_back(pid);
      at = *end == '\n' ? end + 1 : end;
    }
    return members;
  }
  const std::vector<Process> living = Living();
  const auto is_ours = [&](const Process& process) {
    if (process.pid == main_) return true;
    if (process.parent == getpid()) {
      if (orphans_ == Orphans::kKeptByMain) return false;
      if (std::find(home_.mains.begin(), home_.mains.end(), process.pid) != home_.mains.end()) return false;
      return std::none_of(before_.begin(), before_.end(), [&](const Process& old) {
        return old.pid == process.pid && old.start == process.start;
      });
    }
    return std::find(members.begin(), members.end(), process.parent) != members.end();
  };
  // Pids wrap around, so a child may be listed before its parent: again until nothing is new.
  for (size_t known = members.size() + 1; known != members.size();) {
    known = members.size();
    for (const Process& process : living) {
      const bool listed = std::find(members.begin(), members.end(), process.pid) != members.end();
      if (!listed && is_ours(process)) members.push_back(process.pid);
    }
  }
  return members;
}

void ProcessSet::Signal(int number) {
  if (number == SIGKILL && !cgroup_.empty() && WriteText(cgroup_ + "/cgroup.kill", "1")) return;
  // A process may fork between listing and killing; a few passes catch what a program does
  // that does not fight, and the owner comes again while somebody is left.
  for (int pass = 0; pass < (number == SIGKILL ? 3 : 1); ++pass) {
    const std::vector<pid_t> members = Members();
    for (const pid_t pid : members) kill(pid, number);
    if (members.empty()) break;
  }
}

bool ProcessSet::Empty() const {
  if (!cgroup_.empty()) {
    return ReadStart(cgroup_ + "/cgroup.events", 256).find("populated 1") == std::string::npos;
  }
  return Members().empty();
}

}  // namespace rootwright::guest
