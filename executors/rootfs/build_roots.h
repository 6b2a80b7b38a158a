#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/architecture.h"
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
};

// Has the build roots of a host. Calls may come from several threads; those for the same root wait for each
// other.
class BuildRoots {
 public:
  virtual ~BuildRoots() = default;

  // The root of that name, or where the name is empty Rootwright's own for the architecture, which is made
  // first if it is not there or is damaged. NotFound, with the names there are, when nobody imported it.
  virtual absl::StatusOr<BuildRoot> Prepare(absl::string_view name, Architecture architecture,
                                            const ProgressSink& progress, const OutputSink& log,
                                            std::stop_token stop) = 0;
};

}  // namespace rootwright
