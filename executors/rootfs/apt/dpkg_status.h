#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rootwright {

// Reads what `dpkg --status-fd` writes (dpkg(1)) and keeps count of the packages. The lines
// come from a machine that is not trusted; what is not understood is left out.
class DpkgStatus {
 public:
  // What a line changed; empty item: nothing that people want to see.
  struct Change {
    std::string phase;
    std::string item;
  };
  // A package whose script failed.
  struct Failure {
    std::string package;
    // "installed x package post-installation script subprocess returned error exit status 1"
    std::string why;
    // From `why`; 1 when it does not say.
    int exit_code = 1;
  };

  // Bytes in any pieces; returns what happened, in order.
  std::vector<Change> Append(absl::string_view data);

  // Packages that are configured.
  int done() const { return static_cast<int>(installed_.size()); }
  // The first one.
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  std::optional<Change> ReadLine(absl::string_view line);

  std::string pending_;
  std::set<std::string> installed_;
  std::optional<Failure> failure_;
};

}  // namespace rootwright
