#pragma once

namespace rootwright {

// Of all our programs, e.g. "0.1.0".
extern const char kVersion[];

}  // namespace rootwright
