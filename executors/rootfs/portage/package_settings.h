#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rootwright {

// What of a build's own files may change how a package comes out, for BinaryPackageScope: below etc/portage
// all but what Portage itself compares with a binary package (USE, keywords, masks, licenses, patches) and
// lists of repositories and sets; and all in /usr, /opt, /bin, /sbin and /lib*. Of make.conf the lines USE,
// ACCEPT_KEYWORDS and ACCEPT_LICENSE are left out for the same reason. `layers` are folders that are laid
// over the root, in order; no link is followed. A text that is the same for the same files; bounded.
absl::StatusOr<std::string> SettingsOfPackages(const std::vector<std::filesystem::path>& layers);

}  // namespace rootwright
