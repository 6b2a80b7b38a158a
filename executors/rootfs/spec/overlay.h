#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "executors/rootfs/spec/problem.h"

namespace rootwright {

// Looks an overlay folder of a specification over. Refused, each with its path: the folder
// itself being a link; what is not a file, folder or link; a relative link that climbs out
// of the root by ".."; names that a file system cannot take over as they are. A missing
// folder is an empty overlay. Links to absolute paths are fine: in the target they lead
// into the target.
std::vector<SpecProblem> CheckOverlay(const std::filesystem::path& specification_folder,
                                      const std::string& overlay);

// Lays an overlay over a tree: owner root, folders 0755, files 0644 or, if executable,
// 0755, as git keeps them. Folders that exist already keep their mode. Every path is
// resolved as if the tree were the root of the file system, so that no link, wherever it
// comes from, leads the writer out of it: links to folders are followed inside the tree (as in
// /lib → usr/lib), others are replaced. FailedPrecondition names an entry that has a
// non-folder of the tree in its way.
absl::Status PlaceOverlay(const std::filesystem::path& overlay, const std::filesystem::path& tree);

}  // namespace rootwright
