#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "executors/executor.h"
#include "executors/rootfs/rootfs_request.h"
#include "executors/step.h"

namespace rootwright {

// The thirteen steps of the design but the last (upload_artifacts), which is the agent's. What
// the host can find out alone comes first, so that a mistake is named before a machine starts:
// fetch_specs, parse_packages, translate_packages, prepare_image, setup_environment,
// reach_environment, pre_install, install_packages, post_install, clean_up, archive_rootfs,
// pack_rootfs. Portage itself resolves packages, so in its builds translate_packages comes behind
// reach_environment; which it is, is known when parse_packages has ended.
// InvalidArgument when the request names an unknown shortcut.
absl::StatusOr<std::unique_ptr<Routine>> MakeRootfsRoutine(const RootfsRequest& request,
                                                           const RootfsHost& host, Executor& executor);

}  // namespace rootwright
