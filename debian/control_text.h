#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rootwright {

// The small text files in a package's control archive. Pure functions; what they read is not
// trusted.

// The value of a field on one line; empty when there is none.
std::string ControlField(absl::string_view control, absl::string_view field);

// As Debian's policy has it: two or more of a-z 0-9 + - . that begin with a letter or digit.
bool IsPackageName(absl::string_view name);

// The paths of a `conffiles` file, without the slash in front. Those flagged
// remove-on-upgrade are not in the package and left out.
std::vector<std::string> ParseConffiles(absl::string_view text);

// What a package's `triggers` file says it is interested in: "/usr/share/icons" or "ldconfig".
struct TriggerInterest {
  std::string trigger;
  // Whoever activates it does not wait for it.
  bool no_await = false;
};
std::vector<TriggerInterest> ParseTriggers(absl::string_view text);

}  // namespace rootwright
