#include "agent/host_executors.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/status.h"

namespace rootwright {

absl::StatusOr<ImageInfo> HostExecutors::PrepareImage(Architecture architecture, const ProgressSink& progress,
                                                      const OutputSink& log, std::stop_token stop) {
  return machines_->PrepareImage(architecture, progress, log, std::move(stop));
}

absl::StatusOr<std::unique_ptr<Environment>> HostExecutors::CreateEnvironment(const EnvironmentSpec& spec) {
  return machines_->CreateEnvironment(spec);
}

absl::StatusOr<std::vector<std::string>> HostExecutors::Reap(const std::set<std::string>& keep) {
  // Both are tried: what is mounted for containers goes also while no libvirt is there.
  absl::StatusOr<std::vector<std::string>> reaped = machines_->Reap(keep);
  const absl::StatusOr<std::vector<std::string>> containers = containers_->Reap(keep);
  const bool either = reaped.ok() || containers.ok();
  // A host may have no driver for one of them; one that answers must have done it.
  if (!reaped.ok() && (!either || machines_->CheckHealth().ok())) return reaped;
  if (!containers.ok() && (!either || containers_->CheckHealth().ok())) return containers;
  std::vector<std::string> all = reaped.ok() ? *std::move(reaped) : std::vector<std::string>();
  if (containers.ok()) all.insert(all.end(), containers->begin(), containers->end());
  return all;
}

HostReport HostExecutors::Inspect(std::stop_token stop) {
  HostReport report = machines_->Inspect(stop);
  HostReport containers = containers_->Inspect(std::move(stop));
  for (HostCheck& check : containers.checks) {
    // One daemon that answers for both is told once.
    const bool told = std::any_of(report.checks.begin(), report.checks.end(), [&](const HostCheck& other) {
      return other.name == check.name && other.finding == check.finding;
    });
    if (!told) report.checks.push_back(std::move(check));
  }
  std::move(containers.targets.begin(), containers.targets.end(), std::back_inserter(report.targets));
  return report;
}

absl::Status HostExecutors::CheckHealth() {
  const absl::Status machines = machines_->CheckHealth();
  if (machines.ok() || containers_->CheckHealth().ok()) return absl::OkStatus();
  return machines;
}

}  // namespace rootwright
