#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ci/cli/text.h"

namespace rootwright::cli {

// What `rootwright-agent --check-host --json` found.
struct HostReport {
  struct Check {
    std::string name;
    enum class Result { kOk, kDegraded, kFailed } result = Result::kFailed;
    std::string finding;
    // What to do; empty when all is well.
    std::string remedy;
  };
  struct Target {
    std::string architecture;
    std::string isolation;
    bool accelerated = false;
  };
  std::vector<Check> checks;
  std::vector<Target> targets;

  bool ok() const;
};

// Reads the agent's JSON. Internal when it is none; unknown fields are left alone.
absl::StatusOr<HostReport> ParseHostReport(absl::string_view json);

// What `rootwright doctor` prints: each check with its remedy, then what can be built.
std::vector<Line> HostReportLines(const HostReport& report);

}  // namespace rootwright::cli
