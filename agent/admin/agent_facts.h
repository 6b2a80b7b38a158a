#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "executors/executor.h"
#include "rootwright/v1/agent.pb.h"

namespace rootwright {

// What the admin services tell of the agent as a whole.
struct AgentFacts {
  std::string name;
  std::string version;
  std::string master;
  absl::Time started_at;
  // What the host offers and how it was found, as last looked at. Like the next, called from any thread;
  // quick.
  std::function<v1::Capabilities()> capabilities;
  std::function<std::vector<HostCheck>()> checks;
  // Whether a session with the master is up now.
  std::function<bool()> linked;
};

}  // namespace rootwright
