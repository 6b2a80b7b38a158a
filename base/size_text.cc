#include "base/size_text.h"

#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rootwright {

std::string SizeText(int64_t bytes) {
  constexpr double kKibi = 1024;
  constexpr std::array<const char*, 4> kNames = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes) / kKibi;
  size_t unit = 0;
  // What would be rounded to 1024.0 is 1.0 of the next.
  while (value >= kKibi - 0.05 && unit + 1 < kNames.size()) {
    value /= kKibi;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kNames[unit]);
}

}  // namespace rootwright
