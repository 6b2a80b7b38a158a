#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "archive/pack.h"
#include "executors/executor.h"
#include "executors/rootfs/build_roots.h"
#include "executors/rootfs/spec/platforms.h"
#include "executors/source.h"

namespace rootwright {

// portage/binary_package_cache.h
class BinaryPackageCache;

// A RootfsBuild in our own terms, with every default filled in.
struct RootfsRequest {
  EnvironmentSpec environment;
  absl::Duration boot_limit;
  GitSource source;
  std::vector<PackFormat> outputs;
  // Names of host shortcuts that are not to be used; "all" for every one.
  std::set<std::string> disabled_shortcuts;
  // Absent: the time of the pinned commit.
  std::optional<absl::Time> source_date;
  // Of a Portage specification: a name of the platforms file; empty: the branch's, else the architecture's
  // own.
  std::string platform;
  // Go on with other packages when one fails, to learn of all that do; the build fails all the same.
  bool keep_going = false;
  // Of a Portage specification: take what the host's cache has, and keep there what is built.
  bool use_binary_packages = true;
};

// A repository of ebuilds on the host, for every build that wants one.
struct HostRepository {
  // As its profiles/repo_name says: "gentoo".
  std::string name;
  std::filesystem::path folder;
};

// What every rootfs build on this host shares.
struct RootfsHost {
  // For packages and indexes: kept between builds, shared by them.
  std::filesystem::path package_cache;
  // Debian mirror, e.g. "http://deb.debian.org/debian".
  std::string apt_mirror;
  // Keyring that signs it: a file for apt's Signed-By.
  std::filesystem::path apt_keyring;
  // Has rootwright-unpack and rootwright-apply.
  std::filesystem::path programs;
  // For Portage specifications. Outlives every routine; null: there are none, and such builds are refused.
  BuildRoots* build_roots = nullptr;
  // Source files: kept between builds, shared by them.
  std::filesystem::path distfile_cache = {};
  // Ebuilds for every build, the main repository first.
  std::vector<HostRepository> repositories = {};
  // Packages that earlier builds made. Null: there is no such cache.
  std::shared_ptr<const BinaryPackageCache> binary_packages = nullptr;
  // How long packages took (BuildTimes). Empty: nobody remembers.
  std::filesystem::path build_times = {};
  std::vector<Platform> platforms = ShippedPlatforms();
};

}  // namespace rootwright
