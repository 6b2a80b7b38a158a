#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "debian/apt.h"

namespace rootwright {

// What apt prints, in our terms. Pure functions: apt itself is run elsewhere.

// A line of `apt-get --print-uris`.
struct PackageUri {
  std::string uri;
  // "busybox_1%3a1.35.0-4+b3_arm64.deb".
  std::string file;
};
std::vector<PackageUri> ParsePrintUris(absl::string_view output);

// The stanzas of `apt-cache show`, by "name=version". DataLoss when one lacks a field.
absl::StatusOr<std::map<std::string, DebianPackage>> ParseShow(absl::string_view output);

// The packages that a failing `apt-get install` complains about, each once. `where` says in
// words what was searched: "bookworm main (arm64)".
std::vector<UnresolvedPackage> ParseFailure(absl::string_view output, absl::string_view errors,
                                            absl::string_view where);

// Whether apt takes it as "name", "name=version" or "name/suite", and as nothing else: not
// as an option, a pattern, a file, or the wish to remove something.
bool IsPackageRequest(absl::string_view request);
// "busybox" of "busybox=1:1.35.0-4+b3".
std::string NameOfRequest(absl::string_view request);

}  // namespace rootwright
