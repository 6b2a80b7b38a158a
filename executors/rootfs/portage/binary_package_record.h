#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "executors/rootfs/portage/signing_key.h"

namespace rootwright {

// What a cache knows of a binary package that lies in it; signed, so that nobody but an agent puts one there.
struct BinaryPackageRecord {
  // Digests of what else it belongs to (BinaryPackageScope, RecipeDigests).
  std::string scope;
  std::string recipe;
  // Of the package's file.
  std::string sha256;
  int64_t size_bytes = 0;
  // What Portage's index says of it, by Portage's names: CPV, USE, BUILD_ID, RDEPEND, MD5, …
  std::map<std::string, std::string> fields;
  // Public key of the agent that made it.
  std::string key;

  // Empty when there is none.
  const std::string& Field(const std::string& name) const;
};

// As a file, signed:
//
//   rootwright-binary-package 1
//   scope: 5c1d…
//   …
//   field RDEPEND: >=dev-libs/popt-1.19
//   key: 93ab…
//   signature: 07e4…
absl::StatusOr<std::string> SignedText(BinaryPackageRecord record, const SigningKey& key);

// Reads that; `trusted` are public keys. DataLoss when it is none, PermissionDenied when it has no good
// signature, Unauthenticated when the signature is good but by a key that is not trusted.
absl::StatusOr<BinaryPackageRecord> ReadSignedText(absl::string_view text,
                                                   const std::vector<std::string>& trusted);

// An entry of Portage's `Packages`.
struct PackageIndexEntry {
  const BinaryPackageRecord* record = nullptr;
  // Where Portage finds the file: absolute, or below PKGDIR.
  std::string path;
};

// PKGDIR/Packages as Portage 3.0.83 reads it (bintree.py, getbinpkg.PackageIndex). With
// FEATURES=pkgdir-index-trusted, which it sets by default, it then looks at no package until that is merged.
std::string PackageIndex(const std::vector<PackageIndexEntry>& entries, absl::Time now);

}  // namespace rootwright
