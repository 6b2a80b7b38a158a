#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"

namespace rootwright::cli {

// The message in protobuf's own JSON (https://protobuf.dev/programming-guides/json/): camel
// case names, 64-bit numbers and bytes as strings, unset fields left out; one line with its
// end. Fields stand in the order of their numbers.
std::string JsonLine(const google::protobuf::Message& message);

// {"error":{"code":…,"message":…,"exitCode":…,"violations":[{"field":…,"description":…}]}}
std::string JsonErrorLine(const absl::Status& status);

}  // namespace rootwright::cli
