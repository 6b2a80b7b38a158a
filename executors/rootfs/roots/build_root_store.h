#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "executors/rootfs/build_roots.h"
#include "executors/rootfs/roots/root_recipe.h"
#include "vmimages/image_store.h"

namespace rootwright {

// A build root that is there, for people.
struct RootSummary {
  RootRecipe recipe;
  // As BuildRoot's; empty when it is damaged.
  std::string digest;
  // Of all its files.
  int64_t size_bytes = 0;
  absl::Time made_at;
  bool in_use = false;
};

// Build roots on the host's disk: an ImageStore (vmimages/image_store.h, which says how a root is kept whole,
// noticed when damaged, and made once for all who want it) whose images have one folder, root/, with the
// tree; and for each
//
//   <store>/<key>.in-use      held (flock, shared) by every build that has it
//
// Only its owner enters the store: a tree has set-user-ID programs, which are for environments alone. Safe to
// use from several threads and processes.
class BuildRootStore {
 public:
  explicit BuildRootStore(std::filesystem::path folder) : folder_(std::move(folder)), images_(folder_) {}

  // Puts the tree into the new folder `tree`, and says what else there is to say: packages, tools.
  using Maker = std::function<absl::StatusOr<ImageDescription>(const std::filesystem::path& tree)>;

  // The root of this recipe, verified; made when there is none or it is damaged.
  absl::StatusOr<BuildRoot> FindOrMake(const RootRecipe& recipe, const Maker& maker,
                                       const ImageStore::Log& log, std::stop_token stop);

  // An imported root, verified. NotFound, with the names there are; DataLoss when it is damaged.
  absl::StatusOr<BuildRoot> FindImported(const std::string& name, std::stop_token stop);

  // By name. Looks at no tree, so that a root listed may be damaged all the same; what says nothing of
  // itself is left out.
  absl::StatusOr<std::vector<RootSummary>> List() const;

  // All roots of that name. NotFound, with the names there are; FailedPrecondition while a build uses one.
  absl::Status Remove(const std::string& name, std::stop_token stop);

  // What was being made by processes that died.
  absl::Status RemoveLeftovers() const { return images_.RemoveLeftovers(); }

  // "there are: a, b".
  std::string NamesForPeople() const;

 private:
  absl::Status MakeFolder() const;

  const std::filesystem::path folder_;
  ImageStore images_;
};

}  // namespace rootwright
