#include "executors/rootfs/roots/stage_digests.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace rootwright {
namespace {

using Algorithm = StageDigest::Algorithm;

struct Known {
  Algorithm algorithm;
  const char* name;
  size_t digits;
};
constexpr std::array<Known, 3> kKnown = {{{Algorithm::kSha256, "SHA256", 64},
                                          {Algorithm::kSha512, "SHA512", 128},
                                          {Algorithm::kBlake2b, "BLAKE2B", 128}}};

const Known& KnownOf(Algorithm algorithm) {
  return *std::find_if(kKnown.begin(), kKnown.end(),
                       [&](const Known& known) { return known.algorithm == algorithm; });
}

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

// A heading "# SHA512 HASH", which tells what follows; nothing for an algorithm that we do not know.
struct Heading {
  bool is_heading = false;
  std::optional<Algorithm> algorithm;
};
Heading ReadHeading(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  if (words.size() != 3 || words[0] != "#" || words[2] != "HASH") return {};
  Heading heading{.is_heading = true};
  for (const Known& known : kKnown)
    if (words[1] == known.name) heading.algorithm = known.algorithm;
  return heading;
}

std::optional<Algorithm> ByLength(size_t digits) {
  if (digits == 64) return Algorithm::kSha256;
  if (digits == 128) return Algorithm::kSha512;
  return std::nullopt;
}

}  // namespace

const char* NameOf(Algorithm algorithm) { return KnownOf(algorithm).name; }

bool IsClearsigned(absl::string_view text) {
  return absl::StrContains(text, "-----BEGIN PGP SIGNED MESSAGE-----");
}

absl::StatusOr<std::vector<StageDigest>> ParseStageDigests(absl::string_view text) {
  std::vector<StageDigest> digests;
  // Of the heading above; none yet.
  std::optional<Heading> heading;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripTrailingAsciiWhitespace(line);
    if (line.empty()) continue;
    if (line.front() == '#') {
      const Heading found = ReadHeading(line);
      if (found.is_heading) heading = found;
      continue;
    }
    if (heading && !heading->algorithm) continue;
    // "digest  name", or "digest *name" of a file read as binary.
    const size_t space = line.find(' ');
    const absl::string_view digest = line.substr(0, space);
    absl::string_view name = space == absl::string_view::npos ? "" : line.substr(space + 1);
    if (!name.empty() && (name.front() == ' ' || name.front() == '*')) name.remove_prefix(1);
    const std::optional<Algorithm> algorithm = heading ? heading->algorithm : ByLength(digest.size());
    if (name.empty() || !algorithm || digest.size() != KnownOf(*algorithm).digits || !IsHex(digest)) {
      return absl::InvalidArgumentError(
          absl::StrCat("digests: line ", number, ": is no digest and name of a file"));
    }
    digests.push_back({*algorithm, absl::AsciiStrToLower(digest), std::string(name)});
  }
  return digests;
}

absl::StatusOr<StageDigest> ParseDigestOption(absl::string_view text) {
  for (const Algorithm algorithm : {Algorithm::kSha256, Algorithm::kSha512}) {
    absl::string_view digits = text;
    if (!absl::ConsumePrefix(&digits, absl::StrCat(absl::AsciiStrToLower(NameOf(algorithm)), ":"))) continue;
    if (digits.size() != KnownOf(algorithm).digits || !IsHex(digits)) break;
    return StageDigest{algorithm, absl::AsciiStrToLower(digits), ""};
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "digest: '", text, "': must be 'sha256:' and 64, or 'sha512:' and 128 hexadecimal digits"));
}

absl::Status CheckDigests(const std::vector<StageDigest>& expected, absl::string_view file_name,
                          const DigestsOfFile& found) {
  bool any = false;
  std::set<std::string> others;
  for (const StageDigest& digest : expected) {
    if (digest.file_name != file_name) {
      others.insert(digest.file_name);
      continue;
    }
    const auto actual = found.find(digest.algorithm);
    if (actual == found.end()) continue;
    any = true;
    if (actual->second == digest.digest) continue;
    return absl::InvalidArgumentError(absl::StrCat("verify ", file_name, ": its ", NameOf(digest.algorithm),
                                                   " is ", actual->second, " instead of ", digest.digest,
                                                   ": it is damaged or another file; fetch it again"));
  }
  if (any) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("digests: none for ", file_name,
                   others.empty() ? "" : "; there are those of: ", absl::StrJoin(others, ", ")));
}

}  // namespace rootwright
