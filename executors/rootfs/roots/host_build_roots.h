#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "executors/executor.h"
#include "executors/rootfs/build_roots.h"
#include "executors/rootfs/roots/build_root_store.h"
#include "executors/rootfs/routine/rootfs_routine.h"

namespace rootwright {

// The build roots of this host: imported ones, and Rootwright's own, which it makes in a container where the
// architecture is the host's and a container can be had, in a machine otherwise.
class HostBuildRoots : public BuildRoots {
 public:
  struct Options {
    // Of BuildRootStore.
    std::filesystem::path store;
    // Of ReadPortageSpecification; asked for when the first root is made.
    std::filesystem::path specification;
  };
  // The executors outlive it; of `host` everything for Debian packages is used.
  HostBuildRoots(Options options, RootfsHost host, Executor& machines, Executor& containers);

  absl::StatusOr<BuildRoot> Prepare(absl::string_view name, const EnvironmentSpec& waiting,
                                    absl::Duration boot_limit, const ProgressSink& progress,
                                    const OutputSink& log, std::stop_token stop) override;

  BuildRootStore& store() { return store_; }
  // What there is, and whether own ones can be made, for `rootwright doctor`.
  HostCheck Check() const;

 private:
  absl::StatusOr<BuildRoot> PrepareOwn(const EnvironmentSpec& waiting, absl::Duration boot_limit,
                                       const ProgressSink& progress, const OutputSink& log,
                                       const std::stop_token& stop);

  const Options options_;
  const RootfsHost host_;
  Executor& machines_;
  Executor& containers_;
  BuildRootStore store_;
};

}  // namespace rootwright
