#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "executors/rootfs/portage/emerge_plan.h"

namespace rootwright {

// Where builds run alike: a package takes twenty times as long in an emulated machine.
struct BuildPlace {
  // "amd64", by Debian's name.
  std::string architecture;
  // "container", "machine", "machine-kvm".
  std::string environment;
};

// How long packages took, for estimates: one file, shared by the builds of a host and bounded. A new
// measurement counts half, so that old ones fade. One thread; processes may share the file.
class BuildTimes {
 public:
  // Reads the file; without one, or with one that is damaged, there is no history.
  BuildTimes(std::filesystem::path file, const BuildPlace& place);

  struct Took {
    // "dev-libs/popt-1.19"
    std::string cpv;
    // Merged from a binary package.
    bool binary = false;
    absl::Duration wall;
  };
  // Adds what a build measured, with what other builds wrote meanwhile. At most kMostEntries stay, those
  // measured last.
  absl::Status Add(const std::vector<Took>& took, absl::Time now);
  static constexpr size_t kMostEntries = 20'000;

  // As this package took, or another version of it: that which is nearest. Absent when none is known.
  std::optional<absl::Duration> Of(absl::string_view cpv, bool binary) const;

 private:
  struct Entry {
    double seconds = 0;
    int64_t measured = 0;
  };
  // "amd64 container source dev-libs/popt" and the version.
  using Key = std::pair<std::string, std::string>;
  static std::map<Key, Entry> Parse(absl::string_view text);
  std::string PrefixOf(const std::string& package, bool binary) const;

  const std::filesystem::path file_;
  const std::string place_;
  std::map<Key, Entry> entries_;
};

// A package that is worked on.
struct RunningPackage {
  std::string cpv;
  absl::Duration elapsed;
};

// The time that a plan still needs, packages one after the other: those that are neither done nor running,
// and what is left of those that run. One that no history has counts as the mean of the others. Absent when
// less than half of what is left is known: the count of packages says as much then.
std::optional<absl::Duration> EstimateLeft(const EmergePlan& plan, const std::set<std::string>& done,
                                           const std::vector<RunningPackage>& running,
                                           const BuildTimes& times);

}  // namespace rootwright
