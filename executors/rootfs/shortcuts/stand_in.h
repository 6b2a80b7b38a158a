#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// Puts `content` in the place of a program or script of the tree for the time in which
// packages are configured. The original waits in our work folder and is moved back, times and
// all, by the shell lines that are returned; not when the specification meanwhile replaced or
// removed the stand-in, as that is what it would have done to the original.
// FailedPrecondition for what is not a file of the tree itself.
absl::StatusOr<std::string> StandIn(const std::filesystem::path& tree, const std::string& path,
                                    absl::string_view content);

// Shell lines that run a command if the stand-in of `path` is still there as it was put.
std::string WhileItStands(const std::string& path, absl::string_view command);

// Where the original is meanwhile, as the target sees it.
std::string OriginalOf(const std::string& path);

}  // namespace rootwright
