#include "ci/cli/units.h"

#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace rootwright::cli {
namespace {

struct Unit {
  absl::string_view name;
  double factor;
};

constexpr double kKibi = 1024.0;
constexpr double kKilo = 1000.0;

// Lower case; the first that fits the whole suffix.
constexpr std::array<Unit, 18> kByteUnits = {{{"", 1},
                                              {"b", 1},
                                              {"k", kKibi},
                                              {"ki", kKibi},
                                              {"kib", kKibi},
                                              {"kb", kKilo},
                                              {"m", kKibi* kKibi},
                                              {"mi", kKibi* kKibi},
                                              {"mib", kKibi* kKibi},
                                              {"mb", kKilo* kKilo},
                                              {"g", kKibi* kKibi* kKibi},
                                              {"gi", kKibi* kKibi* kKibi},
                                              {"gib", kKibi* kKibi* kKibi},
                                              {"gb", kKilo* kKilo* kKilo},
                                              {"t", kKibi* kKibi* kKibi* kKibi},
                                              {"ti", kKibi* kKibi* kKibi* kKibi},
                                              {"tib", kKibi* kKibi* kKibi* kKibi},
                                              {"tb", kKilo* kKilo* kKilo* kKilo}}};

constexpr std::array<Unit, 6> kTimeUnits = {
    {{"", 1}, {"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}}};

// Takes "12.5" off the front. False when there is none.
bool TakeNumber(absl::string_view& text, double& value) {
  size_t length = 0;
  while (length < text.size() &&
         (absl::ascii_isdigit(static_cast<unsigned char>(text[length])) || text[length] == '.')) {
    ++length;
  }
  if (length == 0 || length > 24 || !absl::SimpleAtod(text.substr(0, length), &value)) return false;
  text.remove_prefix(length);
  text = absl::StripLeadingAsciiWhitespace(text);
  return std::isfinite(value);
}

// Takes "GiB" off the front.
std::string TakeWord(absl::string_view& text) {
  size_t length = 0;
  while (length < text.size() && absl::ascii_isalpha(static_cast<unsigned char>(text[length]))) ++length;
  std::string word = absl::AsciiStrToLower(text.substr(0, length));
  text.remove_prefix(length);
  text = absl::StripLeadingAsciiWhitespace(text);
  return word;
}

template <size_t N>
double FactorOf(const std::array<Unit, N>& units, absl::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return 0;
}

}  // namespace

absl::StatusOr<int64_t> ParseBytes(absl::string_view text) {
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  double value = 0;
  if (TakeNumber(rest, value)) {
    const double factor = FactorOf(kByteUnits, TakeWord(rest));
    if (factor > 0 && rest.empty() && value * factor < 0x1p62)
      return static_cast<int64_t>(std::llround(value * factor));
  }
  return absl::InvalidArgumentError(absl::StrCat("not a size: '", text, "': write it like 512MiB or 1.5GiB"));
}

absl::StatusOr<absl::Duration> ParseTimeSpan(absl::string_view text) {
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  double seconds = 0;
  bool good = !rest.empty();
  while (good && !rest.empty()) {
    double value = 0;
    good = TakeNumber(rest, value);
    const std::string unit = TakeWord(rest);
    const double factor = FactorOf(kTimeUnits, unit);
    // Only a number alone may go without its unit.
    good = good && factor > 0 && (!unit.empty() || (rest.empty() && seconds == 0));
    seconds += value * factor;
  }
  if (!good || seconds > 366.0 * 86400) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a time: '", text, "': write it like 90s, 30m or 1h30m"));
  }
  return absl::Milliseconds(std::llround(seconds * 1000));
}

std::string DurationText(absl::Duration duration) {
  if (duration < absl::ZeroDuration()) duration = absl::ZeroDuration();
  const int64_t tenths = (absl::ToInt64Milliseconds(duration) + 50) / 100;
  if (tenths < 600) return absl::StrFormat("%d.%d s", tenths / 10, tenths % 10);
  const int64_t seconds = (absl::ToInt64Milliseconds(duration) + 500) / 1000;
  if (seconds < 3600) return absl::StrFormat("%d m %02d s", seconds / 60, seconds % 60);
  const int64_t minutes = seconds / 60;
  if (minutes < 24 * 60) return absl::StrFormat("%d h %02d m", minutes / 60, minutes % 60);
  return absl::StrFormat("%d d %02d h", minutes / (24 * 60), minutes / 60 % 24);
}

std::string RoughText(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(1, (absl::ToInt64Milliseconds(duration) + 500) / 1000);
  if (seconds < 100) return absl::StrCat(seconds, " s");
  if (seconds < 100 * 60) return absl::StrCat((seconds + 30) / 60, " m");
  return absl::StrCat((seconds + 1800) / 3600, " h");
}

}  // namespace rootwright::cli
