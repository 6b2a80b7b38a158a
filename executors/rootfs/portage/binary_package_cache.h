#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "executors/rootfs/portage/binary_package_record.h"
#include "executors/rootfs/portage/emerge_plan.h"
#include "executors/rootfs/portage/gpkg.h"
#include "executors/rootfs/portage/package_store.h"
#include "executors/rootfs/portage/recipe_digests.h"
#include "executors/rootfs/portage/signing_key.h"

namespace rootwright {

// What a package's bytes depend on besides what Portage itself compares (version, slot, USE, CHOST, patches
// of the user, slots of dependencies) and its recipe: packages of one scope may be merged in its builds
// alone.
struct BinaryPackageScope {
  // "amd64", by Debian's name.
  std::string architecture;
  // "default/linux/amd64/23.0"
  std::string profile;
  // Of the root in which packages are built.
  std::string build_root;
  // Whatever else is told to compilers and ebuilds, in any form: mode of the root, make.conf, package.env,
  // bashrc.
  std::string settings;

  std::string Digest() const;
};

// A line for the user, "what: file: reason".
using CacheWarning = std::function<void(const std::string&)>;

// What one build was handed. While it lives, nothing of it is evicted. One thread.
class HandedOutPackages {
 public:
  struct Entry {
    PackageStore::Entry stored;
    BinaryPackageRecord record;
    // Below the folder.
    std::string file;
  };

  // How many packages there are.
  size_t size() const { return entries_.size(); }
  // Puts those that a plan takes as binary into the folder and reads all of their bytes. When all are good,
  // nothing else is in folder and index: true, and the folder may be shown to the environment. Else each
  // whose SHA-256 is another than its record's is removed from folder, index and cache, with a warning that
  // names file and reason: false, and the index has to be given to the environment again, which plans anew
  // and asks again.
  absl::StatusOr<bool> Confirm(const EmergePlan& plan, const CacheWarning& warn, Deadline deadline,
                               std::stop_token stop);

 private:
  friend class BinaryPackageCache;
  HandedOutPackages(const PackageStore& store, std::filesystem::path folder, std::string inside)
      : store_(store), folder_(std::move(folder)), inside_(std::move(inside)) {}
  absl::Status WriteIndex() const;
  absl::Status LeaveOut(const Entry& entry) const;
  absl::Status PutIn(const Entry& entry) const;

  const PackageStore& store_;
  const std::filesystem::path folder_;
  const std::string inside_;
  std::vector<Entry> entries_;
  UniqueFd use_;
};

// Binary packages (gpkg) that builds on this host made, for later ones: shared by all builds and agents that
// use the folder, signed with the agent's key, bounded. Any thread.
class BinaryPackageCache {
 public:
  struct Settings {
    std::filesystem::path folder;
    int64_t quota_bytes = int64_t{20} << 30;
    // The agent's own; made when it is not there.
    std::filesystem::path key_file;
    // Public keys of other agents (SigningKey::public_key) whose packages are taken.
    std::vector<std::string> trusted_keys;
  };
  static absl::StatusOr<std::unique_ptr<BinaryPackageCache>> Create(Settings settings);

  // Makes `folder`, an empty one that the environment will see at `inside`, and in it the index `Packages` of
  // every package of the scope whose recipe is still the same and whose signature is good. The index is to be
  // copied into a PKGDIR of the environment's own, as it names files by `inside`; it is all that a dry run
  // needs. The files come with Confirm: hard links, or copies on another file system. What is unsigned or
  // damaged is removed with a warning; what a key signed that is not trusted is left alone.
  absl::StatusOr<std::unique_ptr<HandedOutPackages>> HandOut(
      const BinaryPackageScope& scope, RecipeDigests& recipes, const std::filesystem::path& folder,
      const std::string& inside, const CacheWarning& warn, Deadline deadline, std::stop_token stop) const;

  struct Stored {
    int packages = 0;
    int64_t bytes = 0;
  };
  // Takes in what a build made: the packages below `folder`, a PKGDIR as it came out of the environment. It
  // is not trusted: only what `plan` has as built from source, by version, slot, repository and USE, under
  // the name that Portage gives it, whole (ReadGpkg), made from the recipe that the host has, and not live,
  // is kept. What is refused is a warning and no error; neither is a full disk.
  absl::StatusOr<Stored> Store(const BinaryPackageScope& scope, RecipeDigests& recipes,
                               const EmergePlan& plan, const std::filesystem::path& folder,
                               const CacheWarning& warn, Deadline deadline, std::stop_token stop) const;

  const std::string& public_key() const { return key_.public_key(); }
  const PackageStore& store() const { return store_; }

 private:
  BinaryPackageCache(Settings settings, SigningKey key);
  absl::StatusOr<int64_t> StoreOne(const PackageStore::Lock& lock, const std::string& scope,
                                   RecipeDigests& recipes, const EmergePlan& plan,
                                   const std::filesystem::path& file, const std::string& place) const;
  absl::Status DropOlder(const PackageStore::Lock& lock, const BinaryPackageRecord& newer,
                         const std::string& name) const;
  absl::StatusOr<BinaryPackageRecord> ReadRecord(const PackageStore::Entry& entry) const;

  const Settings settings_;
  const SigningKey key_;
  const PackageStore store_;
  std::vector<std::string> trusted_;
};

}  // namespace rootwright
