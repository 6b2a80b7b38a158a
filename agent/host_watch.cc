#include "agent/host_watch.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/host.h"
#include "base/log.h"

namespace rootwright {
namespace {

// An answer that takes longer is none.
constexpr absl::Duration kQuick = absl::Seconds(1);

bool SameTargets(const HostReport& a, const HostReport& b) {
  return std::equal(a.targets.begin(), a.targets.end(), b.targets.begin(), b.targets.end(),
                    [](const HostReport::Target& left, const HostReport::Target& right) {
                      return left.architecture == right.architecture &&
                             left.accelerated == right.accelerated && left.isolation == right.isolation;
                    });
}

void Tell(const HostReport& report) {
  for (const HostCheck& check : report.checks) {
    if (check.result == HostCheck::Result::kOk) continue;
    spdlog::warn("host: {}: {}{}{}", check.name, check.finding, check.remedy.empty() ? "" : "; ",
                 check.remedy);
  }
  const std::string targets =
      absl::StrJoin(report.targets, ", ", [](std::string* out, const HostReport::Target& target) {
        absl::StrAppend(out, NamesOf(target.architecture).debian,
                        target.isolation == Isolation::kContainer ? " (container)" : "");
      });
  spdlog::info("host: offers {}", targets.empty() ? "no target" : targets);
}

}  // namespace

HostWatch::Sight HostWatch::Look() {
  {
    MutexLock lock(mutex_);
    asked_at_ = clock_.Now();
  }
  Sight sight{machines_.CheckHealth()};
  {
    MutexLock lock(mutex_);
    asked_at_.reset();
    libvirt_ = sight.libvirt;
  }
  const Instant now = clock_.Now();
  if (sight.libvirt.ok()) {
    away_since_.reset();
  } else if (!away_since_) {
    away_since_ = now;
  }
  const bool offers = !report().targets.empty();
  const bool gone = away_since_ && Since(*away_since_, now) >= config_.libvirt_grace;
  if (!inspected_ || (offers ? gone : sight.libvirt.ok())) sight.changed = Inspect();
  return sight;
}

bool HostWatch::Inspect() {
  HostReport report = InspectHost(config_, machines_, {});
  if (!EndLeftovers()) report.targets.clear();
  const bool first = !std::exchange(inspected_, true);
  const bool changed = first || !SameTargets(report, this->report());
  if (changed) Tell(report);
  v1::Capabilities capabilities = CapabilitiesOf(config_, report);
  MutexLock lock(mutex_);
  report_ = std::move(report);
  capabilities_ = std::move(capabilities);
  return changed;
}

bool HostWatch::EndLeftovers() {
  if (leftovers_ended_) return true;
  const absl::StatusOr<std::vector<std::string>> reaped = machines_.Reap({});
  if (!reaped.ok()) {
    if (!inspected_) spdlog::warn("leftovers: {}", std::string(reaped.status().message()));
    return false;
  }
  if (!reaped->empty()) spdlog::info("leftovers: {} machines of an earlier life ended", reaped->size());
  leftovers_ended_ = true;
  return true;
}

absl::Status HostWatch::Health() const {
  {
    MutexLock lock(mutex_);
    if (!libvirt_.ok()) return libvirt_;
    if (asked_at_ && Since(*asked_at_, clock_.Now()) > kQuick)
      return absl::UnavailableError("libvirt: does not answer");
  }
  // It may have gone since.
  return machines_.CheckHealth();
}

HostReport HostWatch::report() const {
  MutexLock lock(mutex_);
  return report_;
}

v1::Capabilities HostWatch::capabilities() const {
  MutexLock lock(mutex_);
  return capabilities_;
}

}  // namespace rootwright
