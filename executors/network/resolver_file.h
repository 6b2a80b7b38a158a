#pragma once

#include "absl/strings/string_view.h"
#include "executors/environment.h"

namespace rootwright {

// /etc/resolv.conf while a build may reach out. A tree that becomes a product has it on loan: what was there
// is put back, unless the build itself wrote another.

// Puts it into the tree at `root`, an absolute path in the environment ("/" is the environment's own), for
// ReturnResolver to take out. Both are commands for the environment's own shell.
EnvironmentCommand LendResolver(absl::string_view root);
EnvironmentCommand ReturnResolver(absl::string_view root);

}  // namespace rootwright
