#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// What a session with the master asks of the builds of this agent. Calls come from the session's threads and must
// not block for long: what takes time goes on in the build's own thread.
class LeaseHolder {
 public:
  virtual ~LeaseHolder() = default;

  // Starts the build; its journal is there when this returns. An error's message is the reason that the master is
  // told for not taking it.
  virtual absl::Status Start(const v1::Lease& lease) = 0;
  // Ends the build; its last events are still delivered. Nothing happens when there is none.
  virtual void Cancel(const std::string& build_id, const std::string& reason) = 0;
  // Ends the build and forgets all it said: the master does not want it.
  virtual void Discard(const std::string& build_id) = 0;
  // Ids of the builds that a thread works on.
  virtual std::vector<std::string> Running() const = 0;
  // Free slots, disk and memory; lease ids are the session's to add.
  virtual v1::Heartbeat Vitals() const = 0;
  // The master's wish; undone by the same call.
  virtual void SetDraining(bool draining, const std::string& reason) = 0;
};

}  // namespace rootwright
