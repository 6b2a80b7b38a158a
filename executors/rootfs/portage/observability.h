#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace rootwright {

// A package that emerge works on.
struct EmergeTask {
  // "dev-libs/popt-1.19"
  std::string cpv;
  // Where it is merged to: "/target/".
  std::string root;
  // "compile", "install", "merge-wait", …; empty at first.
  std::string phase;
  // From a binary package.
  bool binary = false;
  // Built already, being merged now.
  bool merging = false;
  // Since work on it began; negative when emerge does not know.
  absl::Duration elapsed;
};

// What emerge does at one moment.
struct EmergeSnapshot {
  absl::Time at;
  int completed = 0;
  int failed = 0;
  int total = 0;
  // The one that began first is first.
  std::vector<EmergeTask> tasks;
};

// Reads one line of what Portage 3.0.83 writes with FEATURES=observability to /run/portage/emerge-PID.sock.
// It writes one when something begins or ends, at most one a second, and one every two seconds besides; and
// one at once to whoever connects, so a reader that wants it within a second connects anew. Not trusted:
// fields that are missing or of another kind are as nothing, figures are kept in bounds. Nothing when it is
// no snapshot.
std::optional<EmergeSnapshot> ReadSnapshot(const nlohmann::json& line);

// The phase as people say it: "compile" is "compiling". Unknown ones are returned as they are.
std::string PhaseInWords(const EmergeTask& task);

}  // namespace rootwright
