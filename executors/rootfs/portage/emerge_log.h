#pragma once

#include <optional>
#include <string>

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

// Reads one line of that log: the way to progress where FEATURES=observability says nothing. Coarse (no
// phases), but it names every package. Nothing for other lines, which is most of them.
std::optional<EmergeLogEntry> ReadEmergeLogLine(absl::string_view line);

}  // namespace rootwright
