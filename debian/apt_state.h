#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"
#include "debian/apt.h"

namespace rootwright {

// Everything that apt keeps for one set of sources, in a folder of its own:
//
//   FOLDER/arm64-3f2a91c04b7d/   named by architecture and a digest of the sources
//     apt.conf sources.list      written anew when they differ
//     status                     empty: nothing is installed
//     lists/ cache/ parts/ log/
//     updated                    its time is when the indexes were fetched
//     lock                       held by whoever has a AptState open
//
// Holds the lock while it lives; other threads and processes wait for it.
class AptState {
 public:
  static absl::StatusOr<AptState> Open(const std::filesystem::path& folder, Architecture architecture,
                                       const std::vector<AptSource>& sources, Deadline deadline,
                                       std::stop_token stop);

  // Runs one of apt's programs with this state.
  absl::StatusOr<SubprocessResult> Run(std::vector<std::string> argv, Deadline deadline,
                                       std::stop_token stop) const;

  // How old the indexes are; InfiniteDuration when there are none.
  absl::Duration IndexAge() const;
  absl::Status MarkUpdated() const;
  // The indexes name packages that are not there any more.
  void MarkOutdated() const;

  // For an apt program that needs no lock, e.g. apt-helper: its environment.
  const std::map<std::string, std::string>& environment() const { return environment_; }

 private:
  explicit AptState(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::filesystem::path folder_;
  std::map<std::string, std::string> environment_;
  UniqueFd lock_;
};

// The content of sources.list. InvalidArgument for characters that would change its meaning.
absl::StatusOr<std::string> SourcesList(Architecture architecture, const std::vector<AptSource>& sources);

// Of the output of `apt-config dump`, what says how this host reaches the network and how
// far it trusts its clock.
std::string NetworkSettings(absl::string_view dump);

}  // namespace rootwright
