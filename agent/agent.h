#pragma once

#include <csignal>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/config.h"
#include "agent/host.h"

namespace rootwright {

// The running agent: everything that main.cc lists, put together.
class Agent {
 public:
  // Takes the state folder for itself, looks the host over, removes what an earlier life left, and opens the
  // admin port. FailedPrecondition when another agent uses the state folder.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(const AgentConfig& config, HostParts host);
  ~Agent();

  // Serves the master until one of `signals`, which all threads have blocked, or until the master ends the
  // session for good (its reason, as Aborted). Then drains: see kHelp in options.cc.
  absl::Status Run(const sigset_t& signals);

 private:
  struct Parts;
  explicit Agent(std::unique_ptr<Parts> parts);
  void EndBuilds(const sigset_t& signals);

  std::unique_ptr<Parts> parts_;
};

}  // namespace rootwright
