// What a kernel module says of itself.

#include <cstddef>
#include <cstdint>

#include "vmimages/kernel_modules.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view module(reinterpret_cast<const char*>(data), size);
  (void)rootwright::ModuleNeeds(module);
  (void)rootwright::ModuleNameOf(module);
  return 0;
}
