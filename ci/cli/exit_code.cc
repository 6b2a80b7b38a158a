#include "ci/cli/exit_code.h"

namespace rootwright::cli {

ExitCode ExitCodeOf(v1::Outcome outcome) {
  switch (outcome) {
    case v1::OUTCOME_SUCCEEDED:
      return ExitCode::kOk;
    case v1::OUTCOME_FAILED:
      return ExitCode::kBuildFailed;
    case v1::OUTCOME_CANCELLED:
      return ExitCode::kCancelled;
    case v1::OUTCOME_TIMED_OUT:
      return ExitCode::kTimedOut;
    default:
      return ExitCode::kInfrastructure;
  }
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kBadInput;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnreachable;
    case absl::StatusCode::kCancelled:
      return ExitCode::kInterrupted;
    default:
      return ExitCode::kInfrastructure;
  }
}

}  // namespace rootwright::cli
