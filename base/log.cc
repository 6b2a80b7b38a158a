#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>

namespace rootwright {

void StartLogging(const char* level) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("rootwright"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(level));
}

}  // namespace rootwright
