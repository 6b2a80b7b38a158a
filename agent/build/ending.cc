#include "agent/build/ending.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

constexpr size_t kLongestMessage = 4096;
constexpr size_t kLongestDetail = 64 * 1024;

v1::InfrastructureErrorCode CodeOf(Fault fault) {
  switch (fault) {
    case Fault::kHost:
      return v1::INFRASTRUCTURE_ERROR_CODE_HOST;
    case Fault::kHypervisor:
      return v1::INFRASTRUCTURE_ERROR_CODE_HYPERVISOR;
    case Fault::kGuest:
      return v1::INFRASTRUCTURE_ERROR_CODE_GUEST;
    case Fault::kRemote:
      return v1::INFRASTRUCTURE_ERROR_CODE_REMOTE;
  }
  return v1::INFRASTRUCTURE_ERROR_CODE_AGENT;
}

// Whether another attempt may well go better: not when the answer would be the same on every host.
bool IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
      return false;
    default:
      return true;
  }
}

// For a status that carries no fault.
Fault FaultByPlace(const absl::Status& status, absl::string_view step, Place place) {
  if (step == "setup_environment" && !absl::IsResourceExhausted(status)) return Fault::kHypervisor;
  if (place == Place::kEnvironment) return Fault::kGuest;
  if (place == Place::kBoth && (absl::IsUnavailable(status) || absl::IsDataLoss(status)))
    return Fault::kGuest;
  return Fault::kHost;
}

}  // namespace

Ending Failed(std::string reason) { return {v1::OUTCOME_FAILED, std::move(reason), std::nullopt}; }
Ending Cancelled(std::string reason) { return {v1::OUTCOME_CANCELLED, std::move(reason), std::nullopt}; }
Ending TimedOut(std::string reason) { return {v1::OUTCOME_TIMED_OUT, std::move(reason), std::nullopt}; }

Ending Infrastructure(v1::InfrastructureErrorCode code, bool transient, absl::string_view message) {
  const size_t line = std::min(message.find('\n'), message.size());
  v1::InfrastructureError error;
  error.set_code(code);
  error.set_transient(transient);
  error.set_message(std::string(message.substr(0, std::min(line, kLongestMessage))));
  if (line < message.size()) {
    absl::string_view detail = message.substr(line + 1);
    if (detail.size() > kLongestDetail) detail.remove_prefix(detail.size() - kLongestDetail);
    error.set_detail(std::string(detail));
  }
  return {v1::OUTCOME_INFRASTRUCTURE_ERROR, error.message(), std::move(error)};
}

Ending FromStatus(const absl::Status& status, absl::string_view step, Place place) {
  return Infrastructure(CodeOf(FaultOf(status, FaultByPlace(status, step, place))), IsTransient(status),
                        absl::StrCat(step, ": ", status.message()));
}

}  // namespace rootwright
