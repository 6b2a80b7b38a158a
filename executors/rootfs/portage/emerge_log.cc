#include "executors/rootfs/portage/emerge_log.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace rootwright {
namespace {

using Kind = EmergeLogEntry::Kind;

constexpr int kMostPackages = 1000000;

// The number at the start of `text`, which goes.
bool TakeNumber(absl::string_view& text, int64_t& number) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) ++digits;
  if (digits == 0 || digits > 12 || !absl::SimpleAtoi(text.substr(0, digits), &number)) return false;
  text.remove_prefix(digits);
  return true;
}

// "(1 of 9) "
bool TakePlace(absl::string_view& text, EmergeLogEntry& entry) {
  int64_t number = 0;
  int64_t total = 0;
  if (!absl::ConsumePrefix(&text, "(") || !TakeNumber(text, number)) return false;
  if (!absl::ConsumePrefix(&text, " of ") || !TakeNumber(text, total)) return false;
  if (!absl::ConsumePrefix(&text, ") ") || number < 1 || number > total || total > kMostPackages)
    return false;
  entry.number = static_cast<int>(number);
  entry.total = static_cast<int>(total);
  return true;
}

// What begins a line behind its time, and what the words behind the place have to begin with.
struct Form {
  const char* start;
  const char* words;
  Kind kind;
};
constexpr Form kForms[] = {
    {">>> emerge ", "", Kind::kStarted},
    {"=== ", "Compiling/Packaging (", Kind::kBuilding},
    {"=== ", "Compiling/Merging (", Kind::kBuilding},
    {"=== ", "Merging Binary (", Kind::kMergingBinary},
    {"=== ", "Merging (", Kind::kMerging},
    {"::: completed emerge ", "", Kind::kCompleted},
};

}  // namespace

// "1795454861:  >>> emerge (5 of 6) dev-libs/popt-1.19 to /t4/"
// "1795454861:  === (5 of 6) Merging (dev-libs/popt-1.19::/var/db/repos/…/popt-1.19.ebuild)"
std::optional<EmergeLogEntry> ReadEmergeLogLine(absl::string_view line) {
  int64_t seconds = 0;
  if (!TakeNumber(line, seconds) || !absl::ConsumePrefix(&line, ":")) return std::nullopt;
  line = absl::StripLeadingAsciiWhitespace(line);
  for (const Form& form : kForms) {
    absl::string_view rest = line;
    EmergeLogEntry entry;
    if (!absl::ConsumePrefix(&rest, form.start) || !TakePlace(rest, entry)) continue;
    if (!absl::ConsumePrefix(&rest, form.words)) continue;
    const absl::string_view cpv = rest.substr(0, rest.find_first_of(" :)"));
    if (cpv.empty() || cpv.find('/') == absl::string_view::npos) continue;
    entry.kind = form.kind;
    entry.at = absl::FromUnixSeconds(seconds);
    entry.cpv = std::string(cpv);
    return entry;
  }
  return std::nullopt;
}

}  // namespace rootwright
