#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "executors/rootfs/portage/build_times.h"
#include "executors/rootfs/portage/emerge_log.h"
#include "executors/rootfs/portage/emerge_plan.h"

namespace rootwright {

// Follows a merge by emerge's log: what is done, how long each package took and what is left by the history
// of earlier builds. One thread. `plan` outlives it.
class MergeProgress {
 public:
  // Without a file there is no history.
  MergeProgress(const EmergePlan& plan, const std::filesystem::path& history, const BuildPlace& place);

  // An entry that came at `now`; what the environment says of times is not used.
  void Take(const EmergeLogEntry& entry, absl::Time now);
  // Absent where the history does not know enough.
  std::optional<absl::Duration> Left(absl::Time now) const;
  // Adds to the history what was measured.
  absl::Status Remember(absl::Time now);

 private:
  const EmergePlan& plan_;
  std::optional<BuildTimes> times_;
  std::set<std::string> binary_;
  std::set<std::string> planned_;
  std::map<std::string, absl::Time> started_;
  std::set<std::string> done_;
  std::vector<BuildTimes::Took> took_;
};

}  // namespace rootwright
