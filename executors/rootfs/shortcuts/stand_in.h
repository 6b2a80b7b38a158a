#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// Puts `content` in the place of a program or script of the tree for the time in which
// packages are configured. The original waits in our work folder and is moved back, times and
// all, by the shell line that is returned.
absl::StatusOr<std::string> StandIn(const std::filesystem::path& tree, const std::string& path,
                                    absl::string_view content);

// Where the original is meanwhile, as the target sees it.
std::string OriginalOf(const std::string& path);

}  // namespace rootwright
