#pragma once

#include <memory>
#include <stop_token>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "executors/environment.h"
#include "executors/shell.h"

namespace rootwright {

// Through it people come into the environment of a build, from any thread, while the build's thread makes it,
// works in it and ends it.
class EnvironmentDoor {
 public:
  // The environment to let people into from now on, null for none: once the call returns, the old one is not
  // touched any more. The build's thread.
  void SetEnvironment(Environment* environment);

  // FailedPrecondition when there is none now; else Environment::OpenShell's.
  absl::StatusOr<std::unique_ptr<Shell>> OpenShell(const ShellCommand& command, std::stop_token stop);

 private:
  Mutex mutex_;
  CondVar changed_;
  Environment* environment_ RW_GUARDED_BY(mutex_) = nullptr;
  int entering_ RW_GUARDED_BY(mutex_) = 0;
  // Asks those to stop who are entering.
  std::stop_source closing_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
