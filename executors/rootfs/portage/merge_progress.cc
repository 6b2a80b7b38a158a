#include "executors/rootfs/portage/merge_progress.h"

namespace rootwright {

MergeProgress::MergeProgress(const EmergePlan& plan, const std::filesystem::path& history,
                             const BuildPlace& place)
    : plan_(plan) {
  if (!history.empty()) times_.emplace(history, place);
  for (const PlannedPackage& package : plan.packages) {
    planned_.insert(package.cpv);
    if (package.binary) binary_.insert(package.cpv);
  }
}

void MergeProgress::Take(const EmergeLogEntry& entry, absl::Time now) {
  if (planned_.count(entry.cpv) == 0) return;
  if (entry.kind != EmergeLogEntry::Kind::kCompleted) {
    started_.emplace(entry.cpv, now);
    return;
  }
  if (!done_.insert(entry.cpv).second) return;
  const auto started = started_.find(entry.cpv);
  if (started == started_.end()) return;
  took_.push_back({entry.cpv, binary_.count(entry.cpv) != 0, now - started->second});
}

std::optional<absl::Duration> MergeProgress::Left(absl::Time now) const {
  if (!times_) return std::nullopt;
  std::vector<RunningPackage> running;
  for (const auto& [cpv, started] : started_)
    if (done_.count(cpv) == 0) running.push_back({cpv, now - started});
  return EstimateLeft(plan_, done_, running, *times_);
}

absl::Status MergeProgress::Remember(absl::Time now) {
  if (!times_) return absl::OkStatus();
  const absl::Status added = times_->Add(took_, now);
  took_.clear();
  return added;
}

}  // namespace rootwright
