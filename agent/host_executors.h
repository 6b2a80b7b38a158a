#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "executors/executor.h"

namespace rootwright {

// The machines and the containers of a host looked at as one, for what is about the whole host: health,
// leftovers, inspection. Environments and images come from the one or the other; asked for here they are the
// machines'.
//
// The two may have different daemons of libvirt, or a host may have the driver of one only: the host is well
// while one of them answers, and offers of each what that one's inspection found.
class HostExecutors : public Executor {
 public:
  HostExecutors(std::unique_ptr<Executor> machines, std::unique_ptr<Executor> containers)
      : machines_(std::move(machines)), containers_(std::move(containers)) {}

  Executor& machines() { return *machines_; }
  Executor& containers() { return *containers_; }

  absl::StatusOr<ImageInfo> PrepareImage(Architecture architecture, const ProgressSink& progress,
                                         const OutputSink& log, std::stop_token stop) override;
  absl::StatusOr<std::unique_ptr<Environment>> CreateEnvironment(const EnvironmentSpec& spec) override;
  // An error when one that answers could not do it.
  absl::StatusOr<std::vector<std::string>> Reap(const std::set<std::string>& keep) override;
  HostReport Inspect(std::stop_token stop) override;
  absl::Status CheckHealth() override;

 private:
  const std::unique_ptr<Executor> machines_;
  const std::unique_ptr<Executor> containers_;
};

}  // namespace rootwright
