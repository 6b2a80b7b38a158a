#include <cstddef>
#include <cstdint>

#include "agent/config.h"

// The agent's configuration file: any text is accepted or refused, never a crash.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)rootwright::ParseAgentConfig(absl::string_view(reinterpret_cast<const char*>(data), size), "fuzz")
      .ok();
  return 0;
}
