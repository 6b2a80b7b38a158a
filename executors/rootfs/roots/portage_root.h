#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "executors/executor.h"
#include "executors/rootfs/routine/rootfs_routine.h"
#include "vmimages/image_description.h"

namespace rootwright {

// The specification of Rootwright's own image for Portage, as images/portage/make-specification makes it: a
// git repository with Portage itself in its overlay.
struct PortageSpecification {
  std::filesystem::path folder;
  // What is built: the same input makes the same commit.
  std::string commit;
  // Of Portage's source archive, from portage.txt: 64 lower-case hexadecimal digits.
  std::string archive_sha256;
};

// FailedPrecondition, with what to do, when the folder is no such specification.
absl::StatusOr<PortageSpecification> ReadPortageSpecification(const std::filesystem::path& folder,
                                                              std::stop_token stop);

// Whether the folder looks like one, at a glance.
bool HasPortageSpecification(const std::filesystem::path& folder);

// Builds the image for Portage with the apt routine, in place of a build that waits for it.
class PortageRootMaker {
 public:
  // Environments come from `executor`, for the architecture of `waiting`: it lends its limits, its id and its
  // work folder, in which all is made and nothing is left.
  PortageRootMaker(const RootfsHost& host, Executor& executor, const EnvironmentSpec& waiting,
                   absl::Duration boot_limit);

  // Puts the files, without device nodes, into the empty folder `tree`. The steps of the routine show in
  // progress and log.
  absl::StatusOr<ImageDescription> Make(const PortageSpecification& specification,
                                        const std::filesystem::path& tree, const ProgressSink& progress,
                                        const OutputSink& log, std::stop_token stop);

 private:
  absl::StatusOr<std::filesystem::path> BuildArchive(const PortageSpecification& specification,
                                                     const ProgressSink& progress, const OutputSink& log,
                                                     const std::stop_token& stop);

  const RootfsHost& host_;
  Executor& executor_;
  // Of the environment in which it is made.
  EnvironmentSpec environment_;
  const absl::Duration boot_limit_;
  const std::string name_;
};

}  // namespace rootwright
