#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rootwright {

// Something that emerge noted in its log (/var/log/emerge.log).
struct EmergeLogEntry {
  enum class Kind { kStarted, kBuilding, kMerging, kMergingBinary, kCompleted };
  Kind kind = Kind::kStarted;
  // To the second.
  absl::Time at;
  // Package `number` of `total`, from 1.
  int number = 0;
  int total = 0;
  // "dev-libs/popt-1.19"
  std::string cpv;
};

// Follows that log: the way to progress where FEATURES=observability says nothing. Coarse (no phases), but as
// old as Portage. Not trusted: other lines are left out.
class EmergeLog {
 public:
  // Bytes in any pieces; returns what is whole by now, in order.
  std::vector<EmergeLogEntry> Append(absl::string_view data);

 private:
  std::string pending_;
  bool skipping_ = false;
};

}  // namespace rootwright
