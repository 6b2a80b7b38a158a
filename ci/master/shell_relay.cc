#include "ci/master/shell_relay.h"

namespace rootwright::master {
namespace {

constexpr size_t kMostBytes = 64 * 1024;

}  // namespace

absl::Status ShellRelay::FromAgent(v1::ShellOutput output) {
  if (output.data().size() > kMostBytes || output.error_data().size() > kMostBytes)
    return absl::InvalidArgumentError("shell: more than 64 KiB in one message");
  if (output.has_failed()) {
    const int code = output.failed().code();
    const bool known = code > 0 && code <= static_cast<int>(absl::StatusCode::kUnauthenticated);
    to_caller.Close(absl::Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kInternal,
                                 output.failed().message()));
    to_agent.Close(absl::OkStatus());
    return absl::OkStatus();
  }
  const bool ended = output.has_ended();
  to_caller.Put(std::move(output));
  if (ended) CallerGone();
  return absl::OkStatus();
}

}  // namespace rootwright::master
