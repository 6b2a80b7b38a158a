#pragma once

#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "base/architecture.h"
#include "debian/package_unpacker.h"

namespace rootwright {

// Writes /var/lib/dpkg of a root as `dpkg --unpack` of all these packages into an empty root
// would leave it, so that `dpkg --configure -a` can go on: every package is "install ok
// unpacked", conffiles are in place and known by digest, interests in triggers are recorded.
// Maintainer scripts lie in info/ and have not been run, preinst scripts neither.
absl::Status WriteDpkgDatabase(const std::filesystem::path& root, Architecture architecture,
                               const std::vector<UnpackedPackage>& packages);

}  // namespace rootwright
