// image.json as a damaged disk may have it.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "vmimages/image_description.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto description = rootwright::ParseImageDescription(text);
  if (description.ok() &&
      rootwright::ParseImageDescription(rootwright::ToJson(*description)) != description) {
    std::abort();
  }
  return 0;
}
