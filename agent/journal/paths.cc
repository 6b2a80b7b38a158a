#include "agent/journal/paths.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace rootwright {

bool IsBuildId(absl::string_view id) {
  if (id.empty() || id.size() > 64 || id.front() == '-') return false;
  return std::all_of(id.begin(), id.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == '-';
  });
}

}  // namespace rootwright
