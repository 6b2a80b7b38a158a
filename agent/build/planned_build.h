#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/build/limits.h"
#include "base/architecture.h"
#include "executors/command/command_routine.h"
#include "executors/rootfs/routine/rootfs_routine.h"
#include "executors/step.h"
#include "rootwright/v1/agent_link_service.pb.h"

namespace rootwright {

// What the build does when the master stays away.
struct WithoutMaster {
  enum class Afterwards { kKeep, kStop, kStopAndDiscard };
  absl::Duration go_on_for = absl::InfiniteDuration();
  Afterwards afterwards = Afterwards::kKeep;
};

// A leased request in our own terms, checked, with every default filled in.
struct PlannedBuild {
  BuildLimits limits;
  Isolation isolation = Isolation::kMachine;
  // How long its environment is kept when it fails; zero: not at all.
  absl::Duration keep_failed;
  std::variant<RootfsRequest, CommandRequest> routine;

  const EnvironmentSpec& environment() const {
    return std::visit([](const auto& request) -> const EnvironmentSpec& { return request.environment; },
                      routine);
  }
};

// What a host builds for, and in what.
struct BuildTarget {
  // NOLINTNEXTLINE(google-explicit-constructor): a machine is what most are
  BuildTarget(Architecture of, Isolation in = Isolation::kMachine) : architecture(of), isolation(in) {}
  friend auto operator<=>(const BuildTarget&, const BuildTarget&) = default;
  Architecture architecture;
  Isolation isolation;
};

// What this host adds to a request, and what it does not do.
struct BuildPolicy {
  BuildLimits defaults;
  BuildLimits maximum = LargestLimits();
  std::set<BuildTarget> targets;
  // Zero: nothing is kept.
  absl::Duration maximum_keep_failed;
  // Builds may have Network::kOutbound.
  bool outbound_network = false;
};

// The edge between the contract and our own types. The master has checked the request; it is checked again,
// because paths and names in it become ours. InvalidArgument names the field; FailedPrecondition is what this
// host cannot do.
absl::StatusOr<PlannedBuild> PlanBuild(const v1::Lease& lease, const BuildPolicy& policy,
                                       const std::filesystem::path& work_folder);

WithoutMaster PolicyOf(const v1::BuildRequest& request);

// Makes the steps of a planned build.
class RoutineFactory {
 public:
  virtual ~RoutineFactory() = default;
  virtual absl::StatusOr<std::unique_ptr<Routine>> Make(const PlannedBuild& build) = 0;
};

}  // namespace rootwright
