#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rootwright {

// What a package is made from, as one digest: its ebuild, the Manifest that pins its sources, the files
// beside it and the eclasses that it inherits, as the host's copies of the repositories have them. A binary
// package belongs to one such digest, so that an ebuild that changed without a new version is built again;
// Portage itself would only look at its dependencies. One thread; remembers what it read.
class RecipeDigests {
 public:
  // Where the host has each repository, by name. They stay as they are while this lives.
  explicit RecipeDigests(std::map<std::string, std::filesystem::path> repositories);

  // `inherited`: the words of INHERITED. SHA-256. NotFound when the host has no
  // such repository, ebuild or eclass; FailedPrecondition for files that are none.
  absl::StatusOr<std::string> Of(const std::string& repository, absl::string_view cpv,
                                 const std::vector<std::string>& inherited);

 private:
  absl::StatusOr<std::string> OfFolder(const std::filesystem::path& folder);
  absl::StatusOr<std::string> OfEclass(const std::string& name);
  absl::StatusOr<std::string> OfFile(const std::filesystem::path& file);

  const std::map<std::string, std::filesystem::path> repositories_;
  std::map<std::filesystem::path, std::string> known_;
};

}  // namespace rootwright
