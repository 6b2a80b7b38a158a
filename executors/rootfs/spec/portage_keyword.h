#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "base/architecture.h"

namespace rootwright {

// Gentoo's name of an architecture, as keywords have it: "arm" for both kinds of 32-bit ARM.
std::string KeywordOf(Architecture architecture);

// Something that ACCEPT_KEYWORDS takes, taken apart.
struct PortageKeyword {
  // "amd64"; empty for "*", "~*" and "**", which mean every architecture.
  std::string architecture;
};

// Whether `text` is a keyword ("amd64", "~arm64", "~amd64-linux", "**"), and of what.
bool ParseKeyword(absl::string_view text, PortageKeyword& keyword);

// Whether Gentoo has an architecture of that name. A repository may bring others.
bool IsGentooArchitecture(absl::string_view name);
// The one that was probably meant; empty when none is near.
std::string NearestArchitecture(absl::string_view name);

}  // namespace rootwright
