#pragma once

#include <string>
#include <vector>

#include "executors/guest/program/processes.h"
#include "executors/guest/protocol.h"

namespace rootwright::guest {

// All that the child needs, made before the fork.
struct Plan {
  std::vector<std::string> strings;
  std::vector<char*> argv;
  std::vector<char*> variables;
  std::string root;
  std::string working_directory;
  bool has_path = false;
};

Plan MakePlan(const Exec& exec);

// The descriptors that a program starts with.
struct Stdio {
  int in = -1;
  int out = -1;
  int err = -1;
};

// Whether the main process stays to take over the orphans of the program, as a shell's does.
enum class Keep { kNothing, kOrphans };

// What the child does from the fork on; does not allocate. `terminal`: `stdio` is one, and becomes the
// session's.
[[noreturn]] void RunChild(const Plan& plan, ProcessSet& processes, const Stdio& stdio, Keep keep,
                           bool terminal);

}  // namespace rootwright::guest
