#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "executors/environment.h"
#include "executors/executor.h"

namespace rootwright {

// The files in which packages are built: an image for Portage that Rootwright made itself, or a stage3 that
// somebody imported. Environments get a writable copy of it (Environment::ImportTree).
struct BuildRoot {
  // "portage-amd64", "stage3-amd64-openrc-20261101"
  std::string name;
  // SHA-256 over its files and what it was made from; in the manifest of every result.
  std::string digest;
  // Owned by the host's own numbers. Nobody may write to it.
  std::filesystem::path tree;
  // Debian below Portage: its libraries must not get into a product (portage/portage_files.h). False for a
  // stage of Gentoo.
  bool debian = true;
  // While a copy of it lives, nobody can remove the root.
  std::shared_ptr<const void> in_use = nullptr;
};

// Has the build roots of a host. Calls may come from several threads; those for the same root wait for each
// other.
class BuildRoots {
 public:
  virtual ~BuildRoots() = default;

  // The root of that name, or where the name is empty Rootwright's own for the architecture, which is made
  // first if it is not there or is damaged: in the place of the build that waits for it, in an environment
  // with that one's limits and below its work folder. It must have none of its own at that time, as both
  // count as one. NotFound, with the names there are, when nobody imported it; FailedPrecondition when it is
  // for another architecture, or when this host cannot make it.
  virtual absl::StatusOr<BuildRoot> Prepare(absl::string_view name, const EnvironmentSpec& waiting,
                                            absl::Duration boot_limit, const ProgressSink& progress,
                                            const OutputSink& log, std::stop_token stop) = 0;
};

}  // namespace rootwright
