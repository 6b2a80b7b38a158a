#include "executors/environment.h"

#include "executors/shell.h"

namespace rootwright {

absl::StatusOr<std::unique_ptr<Shell>> Environment::OpenShell(const ShellCommand&, Deadline,
                                                              std::stop_token) {
  return absl::UnimplementedError("shell: this environment has none");
}

}  // namespace rootwright
