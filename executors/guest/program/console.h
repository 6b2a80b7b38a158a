#pragma once

#include <cstdint>

namespace rootwright::guest {

// One line for whoever reads the console, by standard error.
[[gnu::format(printf, 1, 2)]] void Say(const char* format, ...);

// Nanoseconds of the monotonic clock.
int64_t Now();

}  // namespace rootwright::guest
