#pragma once

#include <filesystem>

#include "absl/status/status.h"

namespace rootwright {

// Unpacks the root that images/portage describes now into the new folder `folder`. It is built natively at
// its first use and kept in the cache (ROOTWRIGHT_CACHE). Needs root, the mirror, pip's index and meson.
absl::Status UnpackPortageImage(const std::filesystem::path& folder);

}  // namespace rootwright
