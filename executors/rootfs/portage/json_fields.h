#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rootwright {

// Reading JSON that is not trusted: a field that is missing or of another type is what the caller gives
// instead, and texts are cut at 64 KiB with everything but printable characters and spaces replaced by '?',
// so that they may be shown on a terminal.
std::string TextField(const nlohmann::json& object, const char* name);
bool FlagField(const nlohmann::json& object, const char* name);
// Also numbers with a fraction, which are cut; what no int64 holds is `otherwise`.
int64_t NumberField(const nlohmann::json& object, const char* name, int64_t otherwise);
// Seconds, for instance; never NaN or infinite.
double RealField(const nlohmann::json& object, const char* name, double otherwise);
// The first `most` texts of an array.
std::vector<std::string> TextsField(const nlohmann::json& object, const char* name, size_t most);
// The first `most` objects of an array.
std::vector<nlohmann::json> ObjectsField(const nlohmann::json& object, const char* name, size_t most);

}  // namespace rootwright
