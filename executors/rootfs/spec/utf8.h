#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace rootwright {

// The first byte that a text file may not hold.
struct BadByte {
  // From 1; the column counts characters.
  int line = 1;
  int column = 1;
  std::string why;
};

// Looks for bytes that are not UTF-8 and for control characters other than tab and line
// ends. YAML would take some of them, a terminal or a shell should not.
std::optional<BadByte> FindBadByte(absl::string_view text);

}  // namespace rootwright
