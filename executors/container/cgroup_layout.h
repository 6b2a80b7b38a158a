#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace rootwright {

// Where the control groups of a host are: version 1 has a hierarchy for each controller, version 2
// ("unified") one for all, and a hybrid host both at once.
struct CgroupLayout {
  enum class Kind { kNone, kUnified, kHybrid, kLegacy };
  Kind kind = Kind::kNone;
  // Controllers with a hierarchy of version 1, and its mount point.
  std::map<std::string, std::filesystem::path, std::less<>> legacy;
  // Empty: there is none.
  std::filesystem::path unified;

  // The text of /proc/self/mountinfo.
  static CgroupLayout Parse(absl::string_view mountinfo);
  // "hybrid (version 1 with memory, pids; version 2 beside it)".
  std::string Describe() const;
};

// A process's group in the hierarchy that has `controller`, from the text of its /proc/PID/cgroup; empty when
// there is none. `controller` is looked for in version 1 first, then version 2 is taken.
std::filesystem::path CgroupOf(const CgroupLayout& layout, absl::string_view process_cgroups,
                               absl::string_view controller);

}  // namespace rootwright
