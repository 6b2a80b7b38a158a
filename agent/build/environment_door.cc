#include "agent/build/environment_door.h"

#include <functional>
#include <utility>

namespace rootwright {
namespace {

// For a machine that is emulated on a busy host.
constexpr absl::Duration kOpenLimit = absl::Seconds(60);

}  // namespace

void EnvironmentDoor::SetEnvironment(Environment* environment) {
  MutexLock lock(mutex_);
  if (environment == environment_) return;
  environment_ = environment;
  std::exchange(closing_, std::stop_source()).request_stop();
  while (entering_ > 0) changed_.wait(mutex_);
}

absl::StatusOr<std::unique_ptr<Shell>> EnvironmentDoor::OpenShell(const ShellCommand& command,
                                                                  std::stop_token stop) {
  Environment* environment = nullptr;
  std::stop_source either;
  std::stop_token closing;
  {
    MutexLock lock(mutex_);
    if (environment_ == nullptr) {
      return absl::FailedPreconditionError(
          "shell: the build has no environment now: it is still being made, or has ended");
    }
    environment = environment_;
    closing = closing_.get_token();
    ++entering_;
  }
  absl::StatusOr<std::unique_ptr<Shell>> shell;
  {
    const std::stop_callback<std::function<void()>> on_close(closing, [&] { either.request_stop(); });
    const std::stop_callback<std::function<void()>> on_stop(stop, [&] { either.request_stop(); });
    shell = environment->OpenShell(command, Deadline::In(kOpenLimit), either.get_token());
  }
  {
    MutexLock lock(mutex_);
    --entering_;
  }
  changed_.notify_all();
  return shell;
}

}  // namespace rootwright
