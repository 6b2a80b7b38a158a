#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rootwright {

// The Castagnoli checksum (RFC 3720, appendix B.4): tells a torn or rotten record from a whole one.
uint32_t Crc32c(absl::string_view data);

}  // namespace rootwright
