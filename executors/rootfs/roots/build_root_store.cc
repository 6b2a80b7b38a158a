#include "executors/rootfs/roots/build_root_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "vmimages/image_maker.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// A lock has no descriptor that poll(2) could wait on together with a stop.
constexpr absl::Duration kLockPoll = absl::Milliseconds(100);

absl::StatusOr<UniqueFd> OpenUse(const fs::path& folder, const std::string& key) {
  const fs::path path = folder / (key + ".in-use");
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, "open lock", path.string());
  return fd;
}

// Shared: nobody removes it.
absl::StatusOr<std::shared_ptr<const void>> Use(const fs::path& folder, const std::string& key,
                                                std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(UniqueFd fd, OpenUse(folder, key));
  while (flock(fd.get(), LOCK_SH | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, "lock", key);
    RW_RETURN_IF_ERROR(SleepFor(kLockPoll, stop));
  }
  return std::make_shared<UniqueFd>(std::move(fd));
}

bool InUse(const fs::path& folder, const std::string& key) {
  const UniqueFd fd(open((folder / (key + ".in-use")).c_str(), O_RDONLY | O_CLOEXEC));
  // The lock goes with the descriptor.
  return fd && flock(fd.get(), LOCK_EX | LOCK_NB) != 0;
}

BuildRoot RootOf(const StoredImage& image, RootRecipe::Origin origin, std::shared_ptr<const void> use) {
  return {.name = image.description.name,
          .digest = DigestOf(image.description),
          .tree = image.folder / kRootFolder,
          .debian = origin == RootRecipe::Origin::kMade,
          .in_use = std::move(use)};
}

}  // namespace

absl::Status BuildRootStore::MakeFolder() const {
  RW_RETURN_IF_ERROR(MakeFolders(folder_));
  if (chmod(folder_.c_str(), 0700) != 0) return ErrnoStatus(errno, "set the mode of", folder_.string());
  return absl::OkStatus();
}

absl::StatusOr<BuildRoot> BuildRootStore::FindOrMake(const RootRecipe& recipe, const Maker& maker,
                                                     const ImageStore::Log& log, std::stop_token stop) {
  RW_RETURN_IF_ERROR(MakeFolder());
  const std::string key = KeyOf(recipe);
  RW_ASSIGN_OR_RETURN(std::shared_ptr<const void> use, Use(folder_, key, stop));
  const auto make = [&](const fs::path& folder) -> absl::StatusOr<ImageDescription> {
    RW_RETURN_IF_ERROR(MakeFolders(folder / kRootFolder));
    RW_ASSIGN_OR_RETURN(ImageDescription description, maker(folder / kRootFolder));
    description.name = recipe.name;
    description.recipe = RecipeText(recipe);
    return description;
  };
  RW_ASSIGN_OR_RETURN(const StoredImage image, images_.FindOrMake(key, make, log, stop));
  return RootOf(image, recipe.origin, std::move(use));
}

absl::StatusOr<BuildRoot> BuildRootStore::FindImported(const std::string& name, std::stop_token stop) {
  RW_RETURN_IF_ERROR(MakeFolder());
  const std::string key = KeyOfImported(name);
  // Before a lock's file is made for every name that somebody misspells.
  const absl::StatusOr<StoredImage> there = images_.Describe(key);
  if (absl::IsNotFound(there.status())) {
    return absl::NotFoundError(absl::StrCat("build root '", name, "': not on this host; ", NamesForPeople(),
                                            "; import it with `rootwright image import`"));
  }
  RW_ASSIGN_OR_RETURN(std::shared_ptr<const void> use, Use(folder_, key, stop));
  const absl::StatusOr<StoredImage> image = images_.Find(key);
  if (!image.ok()) {
    return Annotate(image.status(), absl::StrCat("build root '", name, "': remove it and import it again"));
  }
  return RootOf(*image, RootRecipe::Origin::kImported, std::move(use));
}

absl::StatusOr<std::vector<RootSummary>> BuildRootStore::List() const {
  RW_ASSIGN_OR_RETURN(const std::vector<std::string> keys, images_.List());
  std::vector<RootSummary> roots;
  for (const std::string& key : keys) {
    const absl::StatusOr<StoredImage> image = images_.Describe(key);
    if (!image.ok()) continue;
    absl::StatusOr<RootRecipe> recipe = ParseRootRecipe(image->description.recipe);
    if (!recipe.ok()) continue;
    RootSummary root{.recipe = *std::move(recipe), .digest = DigestOf(image->description)};
    for (const ImageDescription::File& file : image->description.files) root.size_bytes += file.size_bytes;
    struct stat info {};
    if (stat((image->folder / "image.json").c_str(), &info) == 0)
      root.made_at = absl::TimeFromTimespec(info.st_mtim);
    root.in_use = InUse(folder_, key);
    roots.push_back(std::move(root));
  }
  std::stable_sort(roots.begin(), roots.end(), [](const RootSummary& a, const RootSummary& b) {
    return std::make_pair(a.recipe.name, a.made_at) < std::make_pair(b.recipe.name, b.made_at);
  });
  return roots;
}

absl::Status BuildRootStore::Remove(const std::string& name, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::vector<RootSummary> roots, List());
  std::vector<std::string> keys;
  for (const RootSummary& root : roots)
    if (root.recipe.name == name) keys.push_back(KeyOf(root.recipe));
  if (keys.empty())
    return absl::NotFoundError(absl::StrCat("build root '", name, "': not on this host; ", NamesForPeople()));
  for (const std::string& key : keys) {
    RW_ASSIGN_OR_RETURN(const UniqueFd use, OpenUse(folder_, key));
    if (flock(use.get(), LOCK_EX | LOCK_NB) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("build root '", name, "': a build uses it; try again when that has ended"));
    }
    RW_RETURN_IF_ERROR(images_.Remove(key, stop));
  }
  return absl::OkStatus();
}

std::string BuildRootStore::NamesForPeople() const {
  const absl::StatusOr<std::vector<RootSummary>> roots = List();
  std::set<std::string> names;
  if (roots.ok())
    for (const RootSummary& root : *roots) names.insert(root.recipe.name);
  return names.empty() ? "there is none" : absl::StrCat("there are: ", absl::StrJoin(names, ", "));
}

}  // namespace rootwright
