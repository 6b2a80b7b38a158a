#include <cstddef>
#include <cstdint>

#include "executors/rootfs/spec/specification.h"

// Whatever a user commits as configuration.yml is parsed on the build host.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  rootwright::FormatProblems(rootwright::ParseSpecification(text).problems);
  return 0;
}
