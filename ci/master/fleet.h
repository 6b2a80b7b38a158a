#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ci/master/farm.h"
#include "rootwright/v1/agent.pb.h"
#include "rootwright/v1/fleet_service.pb.h"

namespace rootwright::master {

// What the people who run the farm may do with agents. Thread-safe; calls that change something block until
// it is durable. NotFound when no agent of the name ever registered.
class Fleet {
 public:
  explicit Fleet(Farm& farm) : farm_(farm) {}

  std::vector<v1::Agent> List() const;
  absl::StatusOr<v1::Agent> Get(const std::string& name) const;
  absl::StatusOr<v1::Agent> Drain(const std::string& name, const std::string& reason);
  absl::StatusOr<v1::Agent> Resume(const std::string& name);
  // Why a queued build does not start; `id` is a full one. FailedPrecondition when it does not wait.
  absl::StatusOr<v1::ExplainPendingResponse> ExplainPending(const std::string& id) const;

 private:
  Farm& farm_;
};

}  // namespace rootwright::master
