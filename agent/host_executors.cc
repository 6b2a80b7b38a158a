#include "agent/host_executors.h"

#include <algorithm>
#include <iterator>

namespace rootwright {

HostReport HostExecutors::Inspect(std::stop_token stop) const {
  HostReport report = machines_->Inspect(stop);
  HostReport containers = containers_->Inspect(std::move(stop));
  for (HostCheck& check : containers.checks) {
    const bool told = std::any_of(report.checks.begin(), report.checks.end(), [&](const HostCheck& other) {
      return other.name == check.name && other.finding == check.finding;
    });
    if (!told) report.checks.push_back(std::move(check));
  }
  std::move(containers.targets.begin(), containers.targets.end(), std::back_inserter(report.targets));
  return report;
}

}  // namespace rootwright
