#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rootwright::cli {

// One field of a refused request, as google.rpc.BadRequest names it.
struct FieldViolation {
  // "request.limits.wall"
  std::string field;
  std::string description;
};

// Reads the details of a failed call: a serialized google.rpc.Status
// (https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto). Read by
// hand, because Debian ships that proto without its C++ code. What is malformed or
// unknown is left out; at most 100 violations are kept.
std::vector<FieldViolation> ParseViolations(absl::string_view details);

// Keeps the raw details with a status, and reads them again.
void AttachDetails(absl::Status& status, absl::string_view details);
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

// gRPC's message about a connection that could not be made, cut to what a person needs of it: "connection
// refused".
std::string ConnectCause(const std::string& message);

// The status for people: message, then one line for each violation. Ends with a line end.
std::string ErrorText(const absl::Status& status);

}  // namespace rootwright::cli
