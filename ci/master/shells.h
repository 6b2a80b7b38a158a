#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ci/master/farm.h"
#include "ci/master/shell_relay.h"
#include "ci/master/submissions.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::master {

// Brings callers who want a program in the environment of a build together with the agent that has it: asks
// the agent to dial back, and hands both the same relay. Thread-safe; never blocks but for looking a build
// up.
class Shells {
 public:
  Shells(Farm& farm, const Submissions& builds) : farm_(farm), builds_(builds) {}

  // FailedPrecondition when the build has no environment; Unavailable when its agent is not connected.
  absl::StatusOr<std::shared_ptr<ShellRelay>> Open(const v1::ShellStart& start, std::weak_ptr<Waker> caller);
  // The agent has dialled. NotFound when nobody waits for it.
  absl::StatusOr<std::shared_ptr<ShellRelay>> Serve(const std::string& shell_id, std::weak_ptr<Waker> agent);
  // Now and then: gives up waiting for agents that do not dial.
  void Tick();

 private:
  struct Awaited {
    std::shared_ptr<ShellRelay> relay;
    Deadline until;
  };

  Farm& farm_;
  const Submissions& builds_;
  Mutex mutex_;
  // By shell id.
  std::map<std::string, Awaited> awaited_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright::master
