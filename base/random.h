#pragma once

#include <string>

namespace rootwright {

// Lower-case hexadecimal digits from the kernel's randomness: for ids that nobody may guess.
std::string RandomHex(int digits);

}  // namespace rootwright
