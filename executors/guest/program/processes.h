#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rootwright::guest {

// What the process sets of one guest share.
struct ProcessHome {
  // A mounted cgroup2 folder of ours; empty: there is none.
  std::string cgroup_root;
  // Main processes of all commands, until they are reaped.
  std::vector<pid_t> mains;
};

// All processes that descend from one command, also those that left its session, so that
// none of them escapes a KILL. In a machine of ours a control group holds them. Elsewhere
// /proc tells: children of the command, and orphans that came to us (we are their reaper)
// since it started; of two commands at once either may own such an orphan. A shell's main process
// keeps its orphans itself (command.cc), and no other's are its own.
class ProcessSet {
 public:
  enum class Orphans { kOurs, kKeptByMain };
  ProcessSet(ProcessHome& home, uint32_t request, Orphans orphans);
  ~ProcessSet();
  ProcessSet(const ProcessSet&) = delete;
  ProcessSet& operator=(const ProcessSet&) = delete;

  // In the child, before it becomes something else. Does not allocate.
  void Join();
  // In the parent, once the main process is there, and once it was reaped.
  void MainStarted(pid_t main);
  void MainReaped();

  void Signal(int number);
  // Nobody is left; zombies do not count.
  bool Empty() const;

 private:
  struct Process {
    pid_t pid;
    pid_t parent;
    // In clock ticks since boot; tells a reused pid.
    unsigned long long start;
  };
  static std::vector<Process> Living();
  std::vector<pid_t> Members() const;

  ProcessHome& home_;
  const Orphans orphans_;
  std::string cgroup_;
  int join_fd_ = -1;
  pid_t main_ = 0;
  // Children that we had before.
  std::vector<Process> before_;
};

}  // namespace rootwright::guest
