#include "executors/libvirt/libvirt_error.h"

#include <libvirt/virterror.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rootwright {
namespace {

absl::StatusCode CodeOf(const virError& error) {
  switch (error.code) {
    case VIR_ERR_NO_DOMAIN:
      return absl::StatusCode::kNotFound;
    case VIR_ERR_DOM_EXIST:
      return absl::StatusCode::kAlreadyExists;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_RPC:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_CALL_FAILED:
      return absl::StatusCode::kUnavailable;
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_INVALID_ARG:
      return absl::StatusCode::kInvalidArgument;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
      return absl::StatusCode::kPermissionDenied;
    default:
      break;
  }
  // The transport's own errors come with general codes, from these parts of libvirt.
  const bool transport = error.domain == VIR_FROM_RPC || error.domain == VIR_FROM_REMOTE;
  return transport ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal;
}

}  // namespace

absl::Status LibvirtStatus(absl::string_view what, absl::string_view object) {
  const virError* error = virGetLastError();
  const bool known = error != nullptr && error->message != nullptr;
  const absl::StatusCode code = error == nullptr ? absl::StatusCode::kInternal : CodeOf(*error);
  const std::string message = known ? error->message : "unknown error";
  return absl::Status(
      code, absl::StrCat(what, ": ", object, object.empty() ? "" : ": ", absl::StripSuffix(message, "\n")));
}

}  // namespace rootwright
