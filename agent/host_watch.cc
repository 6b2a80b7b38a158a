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
  bool due = !inspected_;
  for (const Isolation isolation : kIsolations) due |= LookAt(isolation);
  Sight sight;
  {
    MutexLock lock(mutex_);
    for (const Isolation isolation : kIsolations) {
      sight.libvirt = answers_[isolation].libvirt;
      if (sight.libvirt.ok()) break;
    }
  }
  // What stands in the way may be mended meanwhile.
  due |= report().targets.empty() && sight.libvirt.ok();
  if (due) sight.changed = Inspect();
  return sight;
}

bool HostWatch::LookAt(Isolation isolation) {
  {
    MutexLock lock(mutex_);
    answers_[isolation].asked_at = clock_.Now();
  }
  const absl::Status libvirt = executors_.of(isolation).CheckHealth();
  {
    MutexLock lock(mutex_);
    answers_[isolation] = {libvirt, std::nullopt};
  }
  Past& past = past_[isolation];
  const bool was_away = past.away_since.has_value();
  if (libvirt.ok()) {
    past.away_since.reset();
  } else if (!was_away) {
    past.away_since = clock_.Now();
  }
  const HostReport seen = report();
  const bool offered =
      std::any_of(seen.targets.begin(), seen.targets.end(),
                  [&](const HostReport::Target& target) { return target.isolation == isolation; });
  if (!offered) return libvirt.ok() && (was_away || !past.leftovers_ended);
  return past.away_since && Since(*past.away_since, clock_.Now()) >= config_.libvirt_grace;
}

bool HostWatch::Inspect() {
  HostReport report = InspectHost(config_, executors_, {});
  for (const Isolation isolation : kIsolations) {
    if (EndLeftovers(isolation)) continue;
    std::erase_if(report.targets,
                  [&](const HostReport::Target& target) { return target.isolation == isolation; });
  }
  const bool first = !std::exchange(inspected_, true);
  const bool changed = first || !SameTargets(report, this->report());
  if (changed) Tell(report);
  v1::Capabilities capabilities = CapabilitiesOf(config_, report);
  MutexLock lock(mutex_);
  report_ = std::move(report);
  capabilities_ = std::move(capabilities);
  return changed;
}

bool HostWatch::EndLeftovers(Isolation isolation) {
  bool& ended = past_[isolation].leftovers_ended;
  if (ended) return true;
  const absl::StatusOr<std::vector<std::string>> reaped = executors_.of(isolation).Reap({});
  const char* kind = isolation == Isolation::kContainer ? "containers" : "machines";
  if (!reaped.ok()) {
    if (!inspected_) spdlog::warn("leftovers: {}: {}", kind, std::string(reaped.status().message()));
    return false;
  }
  if (!reaped->empty()) spdlog::info("leftovers: {} {} of an earlier life ended", reaped->size(), kind);
  return ended = true;
}

absl::Status HostWatch::Health(Isolation isolation) const {
  {
    MutexLock lock(mutex_);
    if (const auto found = answers_.find(isolation); found != answers_.end()) {
      const auto& [libvirt, asked_at] = found->second;
      if (!libvirt.ok()) return libvirt;
      if (asked_at && Since(*asked_at, clock_.Now()) > kQuick)
        return absl::UnavailableError("libvirt: does not answer");
    }
  }
  // It may have gone since.
  return executors_.of(isolation).CheckHealth();
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
