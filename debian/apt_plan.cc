#include "debian/apt_plan.h"

#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rootwright {
namespace {

// What stands between `before` and `after`, if the line is made so.
bool Between(absl::string_view line, absl::string_view before, absl::string_view after, std::string& found) {
  if (!absl::ConsumePrefix(&line, before)) return false;
  const size_t end = line.find(after);
  if (end == absl::string_view::npos) return false;
  found = std::string(line.substr(0, end));
  return true;
}

class FailureReader {
 public:
  explicit FailureReader(absl::string_view where) : where_(where) {}

  void ReadOutput(absl::string_view output) {
    bool unmet = false;
    for (const absl::string_view line : absl::StrSplit(output, '\n')) {
      if (absl::StartsWith(line, "The following packages have unmet dependencies")) {
        unmet = true;
      } else if (unmet && absl::StartsWith(line, " ")) {
        ReadUnmet(line);
      } else if (std::string name; Between(line, "Package ", " is a virtual package provided by", name)) {
        virtual_package_ = name;
      } else if (!virtual_package_.empty() && absl::StartsWith(line, "  ")) {
        const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
        if (!words.empty()) providers_[virtual_package_].emplace(words[0]);
      } else {
        unmet = false;
        virtual_package_.clear();
      }
    }
  }

  void ReadErrors(absl::string_view errors) {
    for (const absl::string_view line : absl::StrSplit(errors, '\n')) {
      std::string name;
      if (absl::string_view rest = line; absl::ConsumePrefix(&rest, "E: Unable to locate package ")) {
        Add(std::string(absl::StripAsciiWhitespace(rest)), absl::StrCat("no such package in ", where_));
      } else if (Between(line, "E: Package '", "' has no installation candidate", name)) {
        Add(name, WithoutCandidate(name));
      } else if (std::string wanted;
                 Between(line, "E: Version '", "' for '", wanted) &&
                 Between(line, absl::StrCat("E: Version '", wanted, "' for '"), "'", name)) {
        Add(name, absl::StrCat("no version ", wanted, " in ", where_));
      } else if (Between(line, "E: Release '", "' for '", wanted) &&
                 Between(line, absl::StrCat("E: Release '", wanted, "' for '"), "'", name)) {
        Add(name, absl::StrCat("no suite ", wanted, " among the sources has it"));
      }
    }
  }

  std::vector<UnresolvedPackage> Take() { return std::move(found_); }

 private:
  void Add(const std::string& name, std::string why) {
    for (UnresolvedPackage& package : found_) {
      if (package.name != name) continue;
      if (!absl::StrContains(package.why, why)) absl::StrAppend(&package.why, "; ", why);
      return;
    }
    found_.push_back({name, std::move(why)});
  }

  // " foo : Depends: bar (>= 2) but it is not installable", then more of foo's without a name.
  void ReadUnmet(absl::string_view line) {
    const size_t colon = line.find(" : ");
    absl::string_view relation = line;
    if (colon != absl::string_view::npos) {
      unmet_name_ = std::string(absl::StripAsciiWhitespace(line.substr(0, colon)));
      relation = line.substr(colon + 3);
    }
    std::string why(absl::StripAsciiWhitespace(relation));
    for (const auto& [theirs, ours] :
         {std::pair("Depends: ", "depends on "), std::pair("PreDepends: ", "depends on "),
          std::pair("Conflicts: ", "conflicts with "), std::pair("Breaks: ", "breaks ")}) {
      if (absl::StartsWith(why, theirs)) why = absl::StrCat(ours, why.substr(std::string(theirs).size()));
    }
    if (!unmet_name_.empty()) Add(unmet_name_, std::move(why));
  }

  std::string WithoutCandidate(const std::string& name) const {
    const auto providers = providers_.find(name);
    if (providers == providers_.end())
      return absl::StrCat("no such package in ", where_, ", only mentioned there");
    return absl::StrCat("only a name that others provide; ask for one of ",
                        absl::StrJoin(providers->second, ", "));
  }

  absl::string_view where_;
  std::string virtual_package_;
  std::string unmet_name_;
  std::map<std::string, std::set<std::string>> providers_;
  std::vector<UnresolvedPackage> found_;
};

bool AllOf(absl::string_view text, absl::string_view signs) {
  for (const char c : text) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
        !absl::StrContains(signs, absl::string_view(&c, 1)))
      return false;
  }
  return true;
}

}  // namespace

std::vector<PackageUri> ParsePrintUris(absl::string_view output) {
  std::vector<PackageUri> uris;
  for (const absl::string_view line : absl::StrSplit(output, '\n')) {
    if (!absl::StartsWith(line, "'")) continue;
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words.size() < 3 || words[0].size() < 3 || !absl::EndsWith(words[0], "'")) continue;
    uris.push_back({std::string(words[0].substr(1, words[0].size() - 2)), std::string(words[1])});
  }
  return uris;
}

absl::StatusOr<std::map<std::string, DebianPackage>> ParseShow(absl::string_view output) {
  std::map<std::string, DebianPackage> packages;
  for (const absl::string_view stanza : absl::StrSplit(output, "\n\n")) {
    DebianPackage package;
    bool numbers_ok = true;
    for (const absl::string_view line : absl::StrSplit(stanza, '\n')) {
      const size_t colon = line.find(": ");
      if (colon == absl::string_view::npos || line.front() == ' ') continue;
      const absl::string_view key = line.substr(0, colon);
      const std::string value(absl::StripAsciiWhitespace(line.substr(colon + 2)));
      if (key == "Package") package.name = value;
      if (key == "Version") package.version = value;
      if (key == "Architecture") package.architecture = value;
      if (key == "Filename") package.filename = value;
      if (key == "SHA256") package.sha256 = value;
      if (key == "Size") numbers_ok = numbers_ok && absl::SimpleAtoi(value, &package.size_bytes);
      if (key == "Installed-Size")
        numbers_ok = numbers_ok && absl::SimpleAtoi(value, &package.installed_bytes);
    }
    if (package.name.empty()) continue;
    // The field counts KiB.
    package.installed_bytes *= 1024;
    if (!numbers_ok || package.version.empty() || package.filename.empty() || package.sha256.size() != 64 ||
        package.size_bytes <= 0) {
      return absl::DataLossError(
          absl::StrCat("read the package index: ", package.name, ": a field is missing"));
    }
    const std::string key = absl::StrCat(package.name, "=", package.version);
    packages.emplace(key, std::move(package));
  }
  return packages;
}

std::vector<UnresolvedPackage> ParseFailure(absl::string_view output, absl::string_view errors,
                                            absl::string_view where) {
  FailureReader reader(where);
  reader.ReadOutput(output);
  reader.ReadErrors(errors);
  return reader.Take();
}

bool IsPackageRequest(absl::string_view request) {
  const size_t end = std::min(request.find_first_of("=/"), request.size());
  const absl::string_view name = request.substr(0, end);
  if (name.size() < 2 || !absl::ascii_isalnum(static_cast<unsigned char>(name.front())) || name.back() == '-')
    return false;
  if (name != absl::AsciiStrToLower(name) || !AllOf(name, "+-.")) return false;
  if (end == request.size()) return true;
  const absl::string_view rest = request.substr(end + 1);
  return !rest.empty() && AllOf(rest, request[end] == '=' ? ".+-~:" : "-._");
}

std::string NameOfRequest(absl::string_view request) {
  return std::string(request.substr(0, std::min(request.find_first_of("=/"), request.size())));
}

}  // namespace rootwright
