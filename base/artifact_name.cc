#include "base/artifact_name.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace rootwright {

bool IsArtifactName(absl::string_view name) {
  const auto fits = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), fits);
}

}  // namespace rootwright
