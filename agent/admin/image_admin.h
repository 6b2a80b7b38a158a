#pragma once

#include <filesystem>
#include <functional>

#include "executors/rootfs/roots/build_root_store.h"

namespace rootwright {

// What ImageService needs of the agent.
struct ImageAdmin {
  // Outlives the service.
  BuildRootStore& store;
  // Has rootwright-apply.
  std::filesystem::path programs;
  // Where an archive lies while it is imported, each in a folder of its own: emptied when the agent starts.
  std::filesystem::path work_folder;
  // Called from any thread when there is a root more or less.
  std::function<void()> changed;
};

}  // namespace rootwright
