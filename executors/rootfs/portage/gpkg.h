#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "archive/tar_reader.h"

namespace rootwright {

// What a binary package (gpkg, GLEP 78) says of itself.
struct Gpkg {
  // By the name that Portage gives the field: "RDEPEND", "USE", "BUILD_ID", "INHERITED"; one line each, its
  // words separated by one space. Fields that an index does not need are left out.
  std::map<std::string, std::string> fields;
  // The ebuild that it was made from.
  std::string ebuild;

  // Empty when it does not say.
  const std::string& Field(const std::string& name) const;
  // "dev-libs/popt-1.19"
  std::string cpv() const;
};

// Reads one from its outer archive, all of it, and checks it: exactly the members gpkg-1, metadata.tar,
// image.tar (either of them compressed or not) and Manifest in one folder, each as large as the Manifest says
// and with its digests; a name that Portage's rules allow; a slot; at most 64 MiB of metadata. Nothing in it
// is trusted: DataLoss says what is wrong. What is inside image.tar is not looked at.
absl::StatusOr<Gpkg> ReadGpkg(TarReader& archive);

// A good "category/name-version" taken apart.
struct Cpv {
  std::string category;
  std::string name;
  std::string version;
};

// DataLoss unless it is one as Portage allows it, and short.
absl::StatusOr<Cpv> SplitCpv(absl::string_view cpv);

}  // namespace rootwright
