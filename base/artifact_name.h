#pragma once

#include "absl/strings/string_view.h"

namespace rootwright {

// Whether an artifact may be called that: 1 to 128 characters of [A-Za-z0-9._-], not starting with a
// dot (artifact.proto). Such a name is a file name everywhere and no folder.
bool IsArtifactName(absl::string_view name);

// The rule, to end an error message with.
inline constexpr char kArtifactNameRule[] =
    "must be 1 to 128 characters of [A-Za-z0-9._-], not starting with a dot";

}  // namespace rootwright
