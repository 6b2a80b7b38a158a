#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "debian/apt.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {

// What the host does for a Debian root: all that needs no target code. An interface so that
// the routine's steps are tested without an archive of Debian packages.
class DebianRoot {
 public:
  virtual ~DebianRoot() = default;

  // What the specification needs on an empty system: its packages, the essential and
  // required ones, and apt. Nothing is downloaded but the indexes.
  virtual absl::StatusOr<AptPlan> Resolve(const AptSettings& settings,
                                          const std::vector<RequestedPackage>& packages, Deadline deadline,
                                          std::stop_token stop) = 0;

  // Has all packages of the plan here.
  virtual absl::StatusOr<std::vector<std::filesystem::path>> Download(const AptSettings& settings,
                                                                      const AptPlan& plan,
                                                                      const Apt::Progress& progress,
                                                                      Deadline deadline,
                                                                      std::stop_token stop) = 0;

  // Makes `tree` from them: every package "unpacked", none configured.
  virtual absl::Status Unpack(const AptPlan& plan, const std::vector<std::filesystem::path>& debs,
                              const std::filesystem::path& tree, const Apt::Progress& progress,
                              Deadline deadline, std::stop_token stop) = 0;
};

struct RootfsHost;

// The real one: apt and the unpacker of debian/.
std::unique_ptr<DebianRoot> MakeAptDebianRoot(const RootfsHost& host, Architecture architecture);

}  // namespace rootwright
