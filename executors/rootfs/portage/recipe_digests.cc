#include "executors/rootfs/portage/recipe_digests.h"

#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "executors/rootfs/portage/gpkg.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLargestFile = 32 << 20;
constexpr size_t kMostFiles = 10000;

}  // namespace

RecipeDigests::RecipeDigests(std::map<std::string, fs::path> repositories)
    : repositories_(std::move(repositories)) {}

absl::StatusOr<std::string> RecipeDigests::Of(const std::string& repository, absl::string_view cpv,
                                              const std::vector<std::string>& inherited) {
  const auto found = repositories_.find(repository);
  if (found == repositories_.end())
    return absl::NotFoundError(absl::StrCat(cpv, ": the host has no repository '", repository, "'"));
  RW_ASSIGN_OR_RETURN(const Cpv parts, SplitCpv(cpv));
  const fs::path folder = found->second / parts.category / parts.name;
  Sha256 sha;
  RW_ASSIGN_OR_RETURN(const std::string ebuild,
                      OfFile(folder / absl::StrCat(parts.name, "-", parts.version, ".ebuild")));
  sha.Update(absl::StrCat("ebuild ", ebuild, "\n"));
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder / "Manifest", error))) {
    RW_ASSIGN_OR_RETURN(const std::string manifest, OfFile(folder / "Manifest"));
    sha.Update(absl::StrCat("Manifest ", manifest, "\n"));
  }
  if (fs::is_directory(fs::symlink_status(folder / "files", error))) {
    RW_ASSIGN_OR_RETURN(const std::string files, OfFolder(folder / "files"));
    sha.Update(absl::StrCat("files ", files, "\n"));
  }
  for (const std::string& name : std::set<std::string>(inherited.begin(), inherited.end())) {
    RW_ASSIGN_OR_RETURN(const std::string eclass, OfEclass(name));
    sha.Update(absl::StrCat("eclass ", name, " ", eclass, "\n"));
  }
  return sha.Digest();
}

absl::StatusOr<std::string> RecipeDigests::OfFolder(const fs::path& folder) {
  if (const auto known = known_.find(folder); known != known_.end()) return known->second;
  std::map<std::string, std::string> digests;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().lexically_relative(folder).string();
    const fs::file_status status = at->symlink_status(error);
    if (fs::is_symlink(status)) {
      digests[name] = absl::StrCat("link ", fs::read_symlink(at->path(), error).string());
    } else if (!fs::is_directory(status)) {
      RW_ASSIGN_OR_RETURN(digests[name], OfFile(at->path()));
    }
    if (digests.size() > kMostFiles)
      return absl::FailedPreconditionError(
          absl::StrCat(folder.string(), ": more than ", kMostFiles, " files"));
  }
  if (error) return ErrnoStatus(error.value(), "read", folder.string());
  Sha256 sha;
  for (const auto& [name, digest] : digests)
    sha.Update(absl::StrCat(name.size(), " ", name, " ", digest, "\n"));
  return known_[folder] = sha.Digest();
}

// From every repository that has it: which of them an ebuild takes is for its `masters` to say.
absl::StatusOr<std::string> RecipeDigests::OfEclass(const std::string& name) {
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos || name.size() > 100)
    return absl::NotFoundError("an eclass has no plain name");
  std::string digests;
  for (const auto& [repository, folder] : repositories_) {
    const fs::path file = folder / "eclass" / (name + ".eclass");
    std::error_code error;
    if (!fs::exists(fs::symlink_status(file, error))) continue;
    RW_ASSIGN_OR_RETURN(const std::string digest, OfFile(file));
    absl::StrAppend(&digests, repository, " ", digest, " ");
  }
  if (digests.empty()) return absl::NotFoundError(absl::StrCat("the host has no eclass '", name, "'"));
  return digests;
}

absl::StatusOr<std::string> RecipeDigests::OfFile(const fs::path& file) {
  if (const auto known = known_.find(file); known != known_.end()) return known->second;
  std::error_code error;
  const fs::file_status status = fs::symlink_status(file, error);
  if (!fs::exists(status)) return absl::NotFoundError(absl::StrCat("the host has no ", file.string()));
  // A repository may come from a specification: nothing but files is opened.
  if (!fs::is_regular_file(status))
    return absl::FailedPreconditionError(absl::StrCat(file.string(), ": is no plain file"));
  RW_ASSIGN_OR_RETURN(const std::string content, ReadFile(file, kLargestFile));
  return known_[file] = Sha256::Of(content);
}

}  // namespace rootwright
