#include "ci/cli/rpc_error.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ci/cli/text.h"

namespace rootwright::cli {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr const char* kPayload = "rootwright.io/rpc-details";
constexpr size_t kMostViolations = 100;

// Calls `on_field` with the number and bytes of each length-delimited field; skips others.
void ForEachField(const std::string& bytes, const std::function<void(int, std::string)>& on_field) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  while (const uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return;
      continue;
    }
    uint32_t size = 0;
    std::string value;
    if (!input.ReadVarint32(&size) || size > bytes.size() ||
        !input.ReadString(&value, static_cast<int>(size)))
      return;
    on_field(WireFormatLite::GetTagFieldNumber(tag), std::move(value));
  }
}

FieldViolation ParseViolation(const std::string& bytes) {
  FieldViolation violation;
  ForEachField(bytes, [&](int number, std::string value) {
    if (number == 1) violation.field = Printable(value);
    if (number == 2) violation.description = Printable(value);
  });
  return violation;
}

}  // namespace

std::vector<FieldViolation> ParseViolations(absl::string_view details) {
  std::vector<FieldViolation> violations;
  if (details.size() > (1 << 20)) return violations;
  // Status.details = 3 holds Any{type_url = 1, value = 2}, that holds BadRequest{field_violations = 1}.
  ForEachField(std::string(details), [&](int number, const std::string& any) {
    if (number != 3) return;
    std::string type;
    std::string value;
    ForEachField(any, [&](int field, std::string bytes) { (field == 1 ? type : value) = std::move(bytes); });
    if (!absl::EndsWith(type, "/google.rpc.BadRequest")) return;
    ForEachField(value, [&](int field, const std::string& bytes) {
      if (field == 1 && violations.size() < kMostViolations) violations.push_back(ParseViolation(bytes));
    });
  });
  return violations;
}

void AttachDetails(absl::Status& status, absl::string_view details) {
  if (!details.empty()) status.SetPayload(kPayload, absl::Cord(details));
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  const auto details = status.GetPayload(kPayload);
  return details.has_value() ? ParseViolations(std::string(*details)) : std::vector<FieldViolation>();
}

// "failed to connect to all addresses; last error: …: Connection refused".
std::string ConnectCause(const std::string& message) {
  const size_t last = message.rfind(": ");
  if (message.rfind("failed to connect to all addresses", 0) != 0 || last == std::string::npos)
    return message;
  return absl::AsciiStrToLower(message.substr(last + 2));
}

std::string ErrorText(const absl::Status& status) {
  std::string text = absl::StrCat("rootwright: ", Printable(status.message()), "\n");
  for (const FieldViolation& violation : ViolationsOf(status)) {
    absl::StrAppend(&text, "  ", violation.field, ": ", violation.description, "\n");
  }
  return text;
}

}  // namespace rootwright::cli
