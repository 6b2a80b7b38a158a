#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rootwright/v1/build_service.pb.h"

namespace rootwright::master {

// Payload of a refused request's status: a google.rpc.BadRequest.
inline constexpr char kBadRequestType[] = "type.googleapis.com/google.rpc.BadRequest";

// OK when the request keeps every limit that the protos name. Otherwise InvalidArgument whose message tells
// the first fault, and whose payload of type kBadRequestType has one violation for each field that is wrong,
// named by its path from the call's message: "request.limits.vcpus".
absl::Status CheckRequest(const v1::SubmitBuildRequest& request);

// Part of messages about shorter fields: `text` is at most `max_bytes` of printable UTF-8.
bool IsPrintable(absl::string_view text, size_t max_bytes);

}  // namespace rootwright::master
