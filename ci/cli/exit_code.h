#pragma once

#include "absl/status/status.h"
#include "rootwright/v1/build.pb.h"

namespace rootwright::cli {

// What `rootwright` tells its caller. Scripts rely on these numbers: none is ever given
// another meaning. docs/errors.md and the manual page repeat this table.
enum class ExitCode {
  // Done; for a build that was followed: it succeeded.
  kOk = 0,
  // The build failed by what the user wrote; for `doctor`: a check failed.
  kBuildFailed = 1,
  // Arguments, specification or request are wrong, or name what does not exist.
  kBadInput = 2,
  // Nothing the user wrote: host, hypervisor, guest, agent or this program.
  kInfrastructure = 3,
  // The build was cancelled.
  kCancelled = 4,
  // The build reached one of its time limits.
  kTimedOut = 5,
  // Master or agent does not answer, or its program is not there.
  kUnreachable = 6,
  // Ended by Ctrl-C or a signal; a build that was followed goes on.
  kInterrupted = 130,
};

// Of a finished build.
ExitCode ExitCodeOf(v1::Outcome outcome);
// Of a call that failed; kOk when it did not.
ExitCode ExitCodeOf(const absl::Status& status);

}  // namespace rootwright::cli
