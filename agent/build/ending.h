#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/fault.h"
#include "executors/step.h"
#include "rootwright/v1/event.pb.h"

namespace rootwright {

// How a build ends: the contract's three channels, kept apart. A user's failure, a limit and a cancellation
// are not infrastructure errors.
struct Ending {
  v1::Outcome outcome = v1::OUTCOME_SUCCEEDED;
  // One line; empty on success.
  std::string reason;
  std::optional<v1::InfrastructureError> error;

  bool ok() const { return outcome == v1::OUTCOME_SUCCEEDED; }
};

Ending Failed(std::string reason);
Ending Cancelled(std::string reason);
Ending TimedOut(std::string reason);
Ending Infrastructure(v1::InfrastructureErrorCode code, bool transient, absl::string_view message);

// An error Status of a step that nobody asked to stop: the fault it carries, else the one that the step's
// place suggests. Only the first line of the message is the reason; the others (a console's tail) become the
// detail.
Ending FromStatus(const absl::Status& status, absl::string_view step, Place place);

}  // namespace rootwright
