#pragma once

#include <cstdint>
#include <string>

namespace rootwright {

// Bytes as people read them, in binary units: "612 B", "9.4 KiB", "48.1 MiB".
std::string SizeText(int64_t bytes);

}  // namespace rootwright
