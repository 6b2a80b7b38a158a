#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/build/ending.h"
#include "executors/shell.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// What the session with the master needs of the builds: the other end is a registry of real ones, or a
// test's. Calls may come from any thread and do not block on a build.
class LeaseHolder {
 public:
  virtual ~LeaseHolder() = default;

  // Starts the build; its journal exists when this returns. The error's message is the reason for the master
  // why not: Unavailable is about every build, any other about this one.
  virtual absl::Status Take(const v1::Lease& lease) = 0;
  // Asks a running build to end; nothing happens to one that has ended.
  virtual void End(absl::string_view lease_id, Ending ending) = 0;
  // Ends the build if it runs, and forgets it with its journal.
  virtual void Discard(absl::string_view lease_id) = 0;
  // False once its last event is in the journal.
  virtual bool IsRunning(absl::string_view lease_id) const = 0;

  struct Room {
    int free_slots = 0;
    int64_t free_memory_bytes = 0;
    // -1 when it cannot be told.
    int64_t free_disk_bytes = -1;
  };
  virtual Room room() const = 0;

  // The environments of failed builds that are kept, each in its slot.
  struct Kept {
    std::string build_id;
    absl::Time until;
    friend bool operator==(const Kept&, const Kept&) = default;
  };
  virtual std::vector<Kept> kept() const = 0;
  // Gives up the one of that build, if there is one.
  virtual void ReleaseKept(absl::string_view build_id) = 0;
  // In the environment of a build that runs or is kept; may take as long as an environment takes to answer.
  // NotFound when it is not here, FailedPrecondition when it has no environment now.
  virtual absl::StatusOr<std::unique_ptr<Shell>> OpenShell(absl::string_view build_id,
                                                           const ShellCommand& command,
                                                           std::stop_token stop) = 0;
};

}  // namespace rootwright
