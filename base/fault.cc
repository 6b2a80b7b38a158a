#include "base/fault.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

constexpr char kPayload[] = "rootwright/fault";

}  // namespace

absl::Status WithFault(absl::Status status, Fault fault) {
  if (!status.ok() && !status.GetPayload(kPayload)) {
    status.SetPayload(kPayload, absl::Cord(absl::StrCat(static_cast<int>(fault))));
  }
  return status;
}

Fault FaultOf(const absl::Status& status, Fault otherwise) {
  const auto payload = status.GetPayload(kPayload);
  int fault = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &fault)) return otherwise;
  return static_cast<Fault>(fault);
}

}  // namespace rootwright
