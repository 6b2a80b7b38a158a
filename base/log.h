#pragma once

#include <spdlog/spdlog.h>

namespace rootwright {

// Sends the program's log to standard error, one line a message: time, level, text.
// Called once, first thing in main. `level` is a name of spdlog's ("debug", "info", …).
void StartLogging(const char* level);

}  // namespace rootwright
