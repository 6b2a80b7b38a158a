#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "executors/container/user_namespace.h"

namespace rootwright {

// What the host does inside a container: each call goes into its namespaces in a child process of its own and
// comes back. The container may be hostile: what it put in the way of a path fails the call, or harms but the
// container.

// Takes away what libvirt leaves in sight: the host's control groups and devices (/sys is empty then), the
// folder of the guest program, the place of the old root. Forbids further user namespaces, with which a
// process would have every capability again. Once the guest program runs, and before the first command.
absl::Status SecureContainer(pid_t init);

// Attaches the mount `tree` at `target`, with the container's own /proc and /dev and a new /run in it.
// Folders are made where they are missing, and belong to the first of `ids`.
absl::Status AttachTree(pid_t init, const UniqueFd& tree, const char* target, const IdRange& ids);

// Attaches the mount `tree` at the absolute path `target`. Folders are made where they are missing, and
// belong to the first of `ids`; a link on the way is refused.
absl::Status AttachInputs(pid_t init, const UniqueFd& tree, const std::string& target, const IdRange& ids);

// The first process of the container that libvirt's process `holder` keeps. NotFound when there is none.
absl::StatusOr<pid_t> FindFirstProcess(pid_t holder);

}  // namespace rootwright
