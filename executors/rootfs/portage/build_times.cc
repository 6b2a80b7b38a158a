#include "executors/rootfs/portage/build_times.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "executors/rootfs/portage/gpkg.h"

namespace rootwright {
namespace {

constexpr int64_t kLargestFile = 8 << 20;
// Nothing takes longer, and nothing is measured more closely.
constexpr double kMostSeconds = 7 * 24 * 3600;
constexpr double kLeastSeconds = 0.001;

// "1.19-r1" → {1, 19, 1}: near enough to tell which of two versions is nearer.
std::vector<int64_t> Numbers(absl::string_view version) {
  std::vector<int64_t> numbers;
  for (const absl::string_view part :
       absl::StrSplit(version, absl::ByAnyChar(".-_abcdefghijklmnopqrstuvwxyz"), absl::SkipEmpty())) {
    int64_t number = 0;
    if (absl::SimpleAtoi(part.substr(0, 18), &number)) numbers.push_back(number);
  }
  return numbers;
}

// How many of their first numbers are the same, and how far apart the first others are.
std::pair<int, int64_t> Nearness(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  size_t same = 0;
  while (same < a.size() && same < b.size() && a[same] == b[same]) ++same;
  const auto at = [same](const std::vector<int64_t>& numbers) {
    return same < numbers.size() ? numbers[same] : 0;
  };
  return {static_cast<int>(same), -std::abs(at(a) - at(b))};
}

}  // namespace

BuildTimes::BuildTimes(std::filesystem::path file, const BuildPlace& place)
    : file_(std::move(file)), place_(absl::StrCat(place.architecture, " ", place.environment)) {
  if (const auto text = ReadFile(file_, kLargestFile); text.ok()) entries_ = Parse(*text);
}

// "amd64 container source dev-libs/popt 1.19 12.345 1795464927": what, version, seconds, when.
std::map<BuildTimes::Key, BuildTimes::Entry> BuildTimes::Parse(absl::string_view text) {
  std::map<Key, Entry> entries;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    Entry entry;
    if (words.size() != 7 || !absl::SimpleAtod(words[5], &entry.seconds) ||
        !absl::SimpleAtoi(words[6], &entry.measured) ||
        !(entry.seconds >= kLeastSeconds && entry.seconds <= kMostSeconds) || entries.size() >= kMostEntries)
      continue;
    entries[{absl::StrCat(words[0], " ", words[1], " ", words[2], " ", words[3]), std::string(words[4])}] =
        entry;
  }
  return entries;
}

std::string BuildTimes::PrefixOf(const std::string& package, bool binary) const {
  return absl::StrCat(place_, binary ? " binary " : " source ", package);
}

absl::Status BuildTimes::Add(const std::vector<Took>& took, absl::Time now) {
  if (took.empty()) return absl::OkStatus();
  RW_RETURN_IF_ERROR(MakeFolders(file_.parent_path()));
  const std::string lock = file_.string() + ".lock";
  const UniqueFd fd(open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  // Held for milliseconds.
  if (!fd || flock(fd.get(), LOCK_EX) != 0) return ErrnoStatus(errno, "lock", lock);
  if (const auto text = ReadFile(file_, kLargestFile); text.ok()) entries_ = Parse(*text);
  for (const Took& one : took) {
    const absl::StatusOr<Cpv> cpv = SplitCpv(one.cpv);
    if (!cpv.ok()) continue;
    const double seconds = std::clamp(absl::ToDoubleSeconds(one.wall), kLeastSeconds, kMostSeconds);
    Entry& entry =
        entries_[{PrefixOf(absl::StrCat(cpv->category, "/", cpv->name), one.binary), cpv->version}];
    entry.seconds = entry.measured == 0 ? seconds : (entry.seconds + seconds) / 2;
    entry.measured = absl::ToUnixSeconds(now);
  }
  std::vector<std::pair<int64_t, std::string>> lines;
  for (const auto& [key, entry] : entries_) {
    lines.emplace_back(entry.measured, absl::StrFormat("%s %s %.3f %d\n", key.first, key.second,
                                                       entry.seconds, entry.measured));
  }
  std::sort(lines.begin(), lines.end(), std::greater<>());
  if (lines.size() > kMostEntries) lines.resize(kMostEntries);
  std::string text;
  for (const auto& [measured, line] : lines) text += line;
  return WriteFileAtomically(file_, text);
}

std::optional<absl::Duration> BuildTimes::Of(absl::string_view cpv, bool binary) const {
  const absl::StatusOr<Cpv> parts = SplitCpv(cpv);
  if (!parts.ok()) return std::nullopt;
  const std::string prefix = PrefixOf(absl::StrCat(parts->category, "/", parts->name), binary);
  const std::vector<int64_t> wanted = Numbers(parts->version);
  std::optional<std::pair<int, int64_t>> nearest;
  std::optional<absl::Duration> found;
  for (auto at = entries_.lower_bound({prefix, ""}); at != entries_.end() && at->first.first == prefix;
       ++at) {
    const absl::Duration seconds = absl::Seconds(at->second.seconds);
    if (at->first.second == parts->version) return seconds;
    const auto nearness = Nearness(wanted, Numbers(at->first.second));
    if (nearest && *nearest >= nearness) continue;
    nearest = nearness;
    found = seconds;
  }
  return found;
}

std::optional<absl::Duration> EstimateLeft(const EmergePlan& plan, const std::set<std::string>& done,
                                           const std::vector<RunningPackage>& running,
                                           const BuildTimes& times) {
  absl::Duration known;
  int known_packages = 0;
  int unknown_packages = 0;
  absl::Duration left;
  for (const PlannedPackage& package : plan.packages) {
    if (done.count(package.cpv) != 0) continue;
    const std::optional<absl::Duration> took = times.Of(package.cpv, package.binary);
    if (!took) {
      ++unknown_packages;
      continue;
    }
    ++known_packages;
    known += *took;
    const auto runs = std::find_if(running.begin(), running.end(),
                                   [&](const RunningPackage& one) { return one.cpv == package.cpv; });
    const absl::Duration elapsed = runs == running.end() ? absl::ZeroDuration() : runs->elapsed;
    left += std::max(absl::ZeroDuration(), *took - std::max(absl::ZeroDuration(), elapsed));
  }
  if (known_packages == 0 || known_packages < unknown_packages) return std::nullopt;
  return left + known * (static_cast<double>(unknown_packages) / known_packages);
}

}  // namespace rootwright
