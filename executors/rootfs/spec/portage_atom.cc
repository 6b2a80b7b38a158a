#include "executors/rootfs/spec/portage_atom.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rootwright {
namespace {

constexpr size_t kLongest = 256;

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// Letters, digits and `extra`; the first one a letter, a digit or of `extra_first`.
bool IsName(absl::string_view text, absl::string_view extra, absl::string_view extra_first) {
  const auto among = [](char c, absl::string_view set) {
    return IsAlnum(c) || set.find(c) != absl::string_view::npos;
  };
  return !text.empty() && among(text.front(), extra_first) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return among(c, extra); });
}

// Takes digits off the front; false when there is none.
bool TakeDigits(absl::string_view& text) {
  size_t count = 0;
  while (count < text.size() && IsDigit(text[count])) ++count;
  text.remove_prefix(count);
  return count > 0;
}

// Where "-version" begins in "name-version"; npos when it ends in none.
size_t VersionStart(absl::string_view text) {
  for (size_t dash = text.find('-'); dash != absl::string_view::npos; dash = text.find('-', dash + 1)) {
    if (IsPortageVersion(text.substr(dash + 1))) return dash;
  }
  return absl::string_view::npos;
}

bool IsCategory(absl::string_view text) { return IsName(text, "+_.-", "_"); }
bool IsPackageName(absl::string_view text) {
  return IsName(text, "+_-", "_") && VersionStart(text) == absl::string_view::npos;
}
// With `extra`; Portage takes no two stars in a row.
bool IsWildcardName(absl::string_view text, absl::string_view extra) {
  return IsName(text, extra, "_*") && !absl::StrContains(text, "**");
}

class AtomParser {
 public:
  explicit AtomParser(absl::string_view text) : whole_(text), left_(text) {}

  ParsedAtom Run() {
    if (CheckCharacters() && (left_.front() == '@' ? ReadSet() : ReadPackage())) parsed_.atom = atom_;
    return std::move(parsed_);
  }

 private:
  bool Wrong(absl::string_view part, std::string message, std::string hint = "") {
    parsed_.at = static_cast<size_t>(part.data() - whole_.data());
    parsed_.message = std::move(message);
    parsed_.hint = std::move(hint);
    return false;
  }

  std::string Quoted(absl::string_view part) const { return absl::StrCat("'", part, "'"); }

  // What stands in no atom, or only in those of ebuilds.
  bool CheckCharacters() {
    if (whole_.empty()) return Wrong(whole_, "a package's name is empty");
    if (whole_.size() > kLongest) {
      return Wrong(whole_, absl::StrCat("a package's name is longer than ", kLongest, " characters"));
    }
    const size_t space = whole_.find_first_of(" \t\r\n");
    if (space != absl::string_view::npos) {
      return Wrong(whole_.substr(space), absl::StrCat("a blank in ", Quoted(whole_)), "one package per key");
    }
    if (whole_.front() == '!') {
      return Wrong(whole_, absl::StrCat(Quoted(whole_), " is a blocker"),
                   "only ebuilds have these; to keep a package out, mask it in etc/portage/package.mask");
    }
    const size_t bracket = whole_.find('[');
    if (bracket != absl::string_view::npos) {
      return Wrong(whole_.substr(bracket),
                   absl::StrCat("USE flags do not belong into the name: ", Quoted(whole_)),
                   "write them as 'use: {+: \"…\", -: \"…\"}' below it");
    }
    return true;
  }

  bool ReadSet() {
    atom_.kind = PortageAtom::Kind::kSet;
    atom_.package = std::string(whole_.substr(1));
    if (IsName(atom_.package, "_.-", "_")) return true;
    return Wrong(whole_, absl::StrCat(Quoted(whole_), " is not the name of a set"), "e.g. '@world'");
  }

  bool ReadPackage() {
    for (const char* comparison : {">=", "<=", "=", "~", ">", "<"}) {
      if (!absl::ConsumePrefix(&left_, comparison)) continue;
      atom_.comparison = comparison;
      break;
    }
    if (!left_.empty() && absl::StrContains("=<>~", left_.front())) {
      return Wrong(left_, absl::StrCat("no such comparison in ", Quoted(whole_)), "there are = ~ < <= > >=");
    }
    return ReadRepository() && ReadSlot() && ReadNames();
  }

  bool ReadRepository() {
    const size_t colons = left_.find("::");
    if (colons == absl::string_view::npos) return true;
    const absl::string_view name = left_.substr(colons + 2);
    left_ = left_.substr(0, colons);
    if (!IsRepositoryName(name)) {
      return Wrong(name, absl::StrCat(Quoted(name), " is not the name of a repository"),
                   "letters, digits, - and _ after '::'");
    }
    atom_.repository = std::string(name);
    return true;
  }

  bool ReadSlot() {
    const size_t colon = left_.find(':');
    if (colon == absl::string_view::npos) return true;
    absl::string_view slot = left_.substr(colon + 1);
    left_ = left_.substr(0, colon);
    if (absl::EndsWith(slot, "=") || slot == "*") {
      return Wrong(slot, absl::StrCat("slot operators stand in ebuilds only: ", Quoted(whole_)),
                   absl::StrCat("leave out '", slot.substr(slot.size() - 1), "'"));
    }
    const size_t slash = slot.find('/');
    const absl::string_view sub_slot = slash == absl::string_view::npos ? "" : slot.substr(slash + 1);
    const absl::string_view main_slot = slot.substr(0, slash);
    if (!IsSlotName(main_slot))
      return Wrong(slot, absl::StrCat(Quoted(main_slot), " is not the name of a slot"));
    if (slash != absl::string_view::npos && !IsSlotName(sub_slot)) {
      return Wrong(sub_slot, absl::StrCat(Quoted(sub_slot), " is not the name of a sub-slot"));
    }
    atom_.slot = std::string(main_slot);
    atom_.sub_slot = std::string(sub_slot);
    return true;
  }

  bool ReadNames() {
    const size_t slash = left_.find('/');
    if (slash == absl::string_view::npos) {
      return Wrong(left_, absl::StrCat(Quoted(whole_), " has no category"), "e.g. 'app-editors/nano'");
    }
    const absl::string_view category = left_.substr(0, slash);
    absl::string_view package = left_.substr(slash + 1);
    const size_t more = package.find('/');
    if (more != absl::string_view::npos) {
      return Wrong(package.substr(more), absl::StrCat("a '/' too many in ", Quoted(whole_)));
    }
    if (atom_.comparison.empty() && absl::StrContains(left_, '*')) return ReadWildcard(category, package);
    if (!IsCategory(category)) {
      return Wrong(category, absl::StrCat(Quoted(category), " is not the name of a category"));
    }
    atom_.category = std::string(category);
    return atom_.comparison.empty() ? ReadBareName(package) : ReadVersion(package);
  }

  bool ReadWildcard(absl::string_view category, absl::string_view package) {
    atom_.kind = PortageAtom::Kind::kWildcard;
    atom_.category = std::string(category);
    atom_.package = std::string(package);
    if (VersionStart(absl::StripSuffix(package, "*")) != absl::string_view::npos) {
      return Wrong(whole_, absl::StrCat("a version needs a comparison: ", Quoted(whole_)),
                   absl::StrCat("write '=", whole_, "'"));
    }
    if (IsWildcardName(category, "+_.-*") && IsWildcardName(package, "+_-*")) return true;
    return Wrong(whole_, absl::StrCat(Quoted(whole_), " matches no package's name"));
  }

  bool ReadBareName(absl::string_view package) {
    const size_t version = VersionStart(package);
    if (version != absl::string_view::npos && version > 0) {
      return Wrong(package.substr(version + 1),
                   absl::StrCat("a version needs a comparison: ", Quoted(whole_)),
                   absl::StrCat("write '=", whole_, "', or '", atom_.category, "/",
                                package.substr(0, version), "' for the newest"));
    }
    if (!IsPackageName(package)) {
      return Wrong(package, absl::StrCat(Quoted(package), " is not the name of a package"),
                   "letters, digits, and + - _");
    }
    atom_.package = std::string(package);
    return true;
  }

  bool ReadVersion(absl::string_view package) {
    atom_.version_prefix = absl::ConsumeSuffix(&package, "*");
    const size_t dash = VersionStart(package);
    if (dash == absl::string_view::npos) {
      const size_t last = package.rfind('-');
      const absl::string_view tail = last == absl::string_view::npos ? package : package.substr(last + 1);
      if (last != absl::string_view::npos && !tail.empty() && IsDigit(tail.front())) {
        return Wrong(tail, absl::StrCat(Quoted(tail), " is not a version"), "e.g. 1.2, 1.2b, 1.2_rc3-r1");
      }
      return Wrong(whole_,
                   absl::StrCat("there is no version after '", atom_.comparison, "' in ", Quoted(whole_)),
                   absl::StrCat("write '", whole_.substr(atom_.comparison.size()), "' for any version"));
    }
    const absl::string_view name = package.substr(0, dash);
    const absl::string_view version = package.substr(dash + 1);
    if (!IsPackageName(name))
      return Wrong(package, absl::StrCat(Quoted(name), " is not the name of a package"));
    if (atom_.version_prefix && atom_.comparison != "=") {
      return Wrong(whole_, absl::StrCat("'*' goes only with '=': ", Quoted(whole_)));
    }
    if (atom_.comparison == "~" && absl::StrContains(version, "-r")) {
      return Wrong(version, absl::StrCat("'~' takes every revision and none of its own: ", Quoted(whole_)),
                   absl::StrCat("leave out '", version.substr(version.find("-r")), "', or compare by '='"));
    }
    atom_.package = std::string(name);
    atom_.version = std::string(version);
    return true;
  }

  const absl::string_view whole_;
  absl::string_view left_;
  PortageAtom atom_;
  ParsedAtom parsed_;
};

}  // namespace

ParsedAtom ParsePortageAtom(absl::string_view text) { return AtomParser(text).Run(); }

bool IsPortageVersion(absl::string_view text) {
  do {
    if (!TakeDigits(text)) return false;
  } while (absl::ConsumePrefix(&text, "."));
  if (!text.empty() && absl::ascii_islower(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (absl::ConsumePrefix(&text, "_")) {
    bool known = false;
    // "pre" before "p", which it begins with.
    for (const char* suffix : {"alpha", "beta", "pre", "rc", "p"}) {
      if (known = absl::ConsumePrefix(&text, suffix); known) break;
    }
    if (!known) return false;
    TakeDigits(text);
  }
  if (absl::ConsumePrefix(&text, "-r") && !TakeDigits(text)) return false;
  return text.empty();
}

bool IsUseFlag(absl::string_view text) { return text.size() <= kLongest && IsName(text, "+_@-", ""); }
bool IsSlotName(absl::string_view text) { return IsName(text, "+_.-", "_"); }
bool IsRepositoryName(absl::string_view text) { return IsName(text, "_-", "_"); }

std::string PortageAtom::Text() const {
  if (kind == Kind::kSet) return absl::StrCat("@", package);
  std::string text = absl::StrCat(comparison, category, "/", package);
  if (!version.empty()) absl::StrAppend(&text, "-", version, version_prefix ? "*" : "");
  if (!slot.empty()) absl::StrAppend(&text, ":", slot);
  if (!sub_slot.empty()) absl::StrAppend(&text, "/", sub_slot);
  if (!repository.empty()) absl::StrAppend(&text, "::", repository);
  return text;
}

}  // namespace rootwright
