// The master's check of a build request: any bytes that parse are either accepted, or refused with at least
// one violation that names its field.

#include <cstdint>
#include <cstdlib>

#include "absl/strings/cord.h"
#include "ci/master/request_check.h"
#include "google/rpc/error_details.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rootwright::v1::SubmitBuildRequest request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return 0;
  const absl::Status status = rootwright::master::CheckRequest(request);
  if (status.ok()) return 0;
  const auto payload = status.GetPayload(rootwright::master::kBadRequestType);
  google::rpc::BadRequest bad;
  if (!payload || !bad.ParseFromString(std::string(*payload)) || bad.field_violations().empty()) std::abort();
  for (const auto& violation : bad.field_violations()) {
    if (violation.field().empty() || violation.description().empty()) std::abort();
  }
  return 0;
}
