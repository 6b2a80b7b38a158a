#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/architecture.h"
#include "base/clock.h"

namespace rootwright {

// A line of sources.list in its parts.
struct AptSource {
  // E.g. "http://deb.debian.org/debian".
  std::string mirror;
  std::string suite;
  std::vector<std::string> components;
  // Keyring that the suite's signature is checked with.
  std::filesystem::path keyring;
};

// One package version that the resolver chose.
struct DebianPackage {
  std::string name;
  std::string version;
  // "arm64" or "all".
  std::string architecture;
  // In the archive: "pool/main/b/busybox/busybox_1.35.0-4+b3_arm64.deb".
  std::string filename;
  int64_t size_bytes = 0;
  int64_t installed_bytes = 0;
  // 64 lower-case hexadecimal digits.
  std::string sha256;
  // Where it is fetched from.
  std::string uri;
};

// A package that was asked for and cannot be had.
struct UnresolvedPackage {
  std::string name;
  // "no such package in bookworm main", "depends on x, which …".
  std::string why;
};

struct AptPlan {
  // In an order in which dependencies come first where there is one.
  std::vector<DebianPackage> packages;
  // Not empty: the plan is no good, and packages is empty.
  std::vector<UnresolvedPackage> unresolved;
};

// apt on the host, for any architecture, with lists, status and cache of its own below one
// folder. Of the host's own apt only the settings of its network are taken (proxies and the
// like); nothing of it or of dpkg is changed. Unavailable when the mirror cannot be reached;
// a bad signature is FailedPrecondition. Any number of builds may share a folder.
class Apt {
 public:
  // `folder` is made when it is not there. Each set of sources has a state of its own in it;
  // the packages are shared by all.
  Apt(std::filesystem::path folder, Architecture architecture, std::vector<AptSource> sources);

  // Fetches the indexes; what was fetched within the last hour is not fetched again.
  // InvalidArgument for sources that cannot be written as a line of sources.list.
  absl::Status Update(Deadline deadline, std::stop_token stop);

  // What `packages` need with nothing installed: "name", "name=version" or "name/suite".
  // `seeds` are apt patterns that are always added, e.g. "?essential"; recommended packages
  // are left out. FailedPrecondition before the first Update.
  absl::StatusOr<AptPlan> Resolve(const std::vector<std::string>& seeds,
                                  const std::vector<std::string>& packages, Deadline deadline,
                                  std::stop_token stop);

  using Progress = std::function<void(int done, int total, absl::string_view package)>;
  // Has every .deb of the plan in the cache, checked by SHA-256, and returns their paths in
  // the plan's order.
  absl::StatusOr<std::vector<std::filesystem::path>> Download(const AptPlan& plan, const Progress& progress,
                                                              Deadline deadline, std::stop_token stop);

 private:
  std::filesystem::path folder_;
  Architecture architecture_;
  std::vector<AptSource> sources_;
};

}  // namespace rootwright
