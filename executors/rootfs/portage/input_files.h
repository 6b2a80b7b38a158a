#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "executors/rootfs/portage/portage_files.h"
#include "executors/rootfs/spec/translation.h"

namespace rootwright {

// Writes what goes over the build root into the new folder `folder`, as root's:
//
//   before/, before-append/   what the overlay may replace: whole files, and what goes behind those there are
//   pre_install_overlay/      the specification's
//   after/, after-append/     what it may not
//   post_install_overlay/     the specification's, for later
absl::Status WriteInputFiles(const std::vector<PortageFile>& settings,
                             const std::vector<TranslatedFile>& translation,
                             const std::filesystem::path& specification, const std::filesystem::path& folder);

// A script that lays all but the last over the root that it runs in; $1 is where the folder is seen, $2 a
// folder to be made besides, or "".
extern const char kLayInputFiles[];

// A script that lays the overlay $1 over the folder $2, "" for the root that it runs in. It refuses a link of
// $2 that would lead out of it.
extern const char kLayOverlay[];

}  // namespace rootwright
