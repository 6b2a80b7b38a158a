#include "debian/control_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rootwright {
namespace {

std::vector<absl::string_view> Words(absl::string_view line) {
  return absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
}

}  // namespace

std::string ControlField(absl::string_view control, absl::string_view field) {
  const std::string start = absl::StrCat(field, ":");
  for (const absl::string_view line : absl::StrSplit(control, '\n')) {
    if (absl::StartsWithIgnoreCase(line, start)) {
      return std::string(absl::StripAsciiWhitespace(line.substr(start.size())));
    }
  }
  return "";
}

bool IsPackageName(absl::string_view name) {
  if (name.size() < 2 || name.size() > 200 || absl::StrContains("+-.", name.substr(0, 1))) return false;
  for (const char c : name) {
    if (!absl::ascii_islower(static_cast<unsigned char>(c)) &&
        !absl::ascii_isdigit(static_cast<unsigned char>(c)) &&
        !absl::StrContains("+-.", absl::string_view(&c, 1))) {
      return false;
    }
  }
  return true;
}

std::vector<std::string> ParseConffiles(absl::string_view text) {
  std::vector<std::string> paths;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&line, "/") && !line.empty()) paths.emplace_back(line);
  }
  return paths;
}

std::vector<TriggerInterest> ParseTriggers(absl::string_view text) {
  std::vector<TriggerInterest> interests;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = Words(line.substr(0, line.find('#')));
    if (words.size() != 2) continue;
    if (words[0] == "interest" || words[0] == "interest-await")
      interests.push_back({std::string(words[1]), false});
    if (words[0] == "interest-noawait") interests.push_back({std::string(words[1]), true});
  }
  return interests;
}

}  // namespace rootwright
