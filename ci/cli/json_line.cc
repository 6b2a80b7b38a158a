#include "ci/cli/json_line.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "ci/cli/exit_code.h"
#include "ci/cli/rpc_error.h"
#include "ci/cli/text.h"

namespace rootwright::cli {

std::string JsonLine(const google::protobuf::Message& message) {
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json);
  if (!status.ok()) {
    return JsonErrorLine(
        absl::InternalError(absl::StrCat("write as JSON: ", message.GetTypeName(), ": ", status.ToString())));
  }
  json.push_back('\n');
  return json;
}

std::string JsonErrorLine(const absl::Status& status) {
  nlohmann::ordered_json error;
  error["code"] = absl::StatusCodeToString(status.code());
  error["message"] = Printable(status.message());
  error["exitCode"] = static_cast<int>(ExitCodeOf(status));
  for (const FieldViolation& violation : ViolationsOf(status)) {
    error["violations"].push_back({{"field", violation.field}, {"description", violation.description}});
  }
  nlohmann::ordered_json line;
  line["error"] = error;
  return line.dump() + "\n";
}

}  // namespace rootwright::cli
