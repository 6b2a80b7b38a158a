#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rootwright {

// Domains of builds, machines and containers alike, are named this plus the build's id.
inline constexpr absl::string_view kDomainPrefix = "rootwright-";

// Text as it may stand in XML content and attributes. Characters that XML 1.0 cannot hold
// become "?".
std::string EscapeXml(absl::string_view text);

}  // namespace rootwright
