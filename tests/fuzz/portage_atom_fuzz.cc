#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "executors/rootfs/spec/portage_atom.h"

// A specification's package keys. What is taken is written as it was read, and means the same again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const rootwright::ParsedAtom parsed = rootwright::ParsePortageAtom(text);
  if (!parsed.atom.has_value()) {
    if (parsed.message.empty() || parsed.at > size) std::abort();
    return 0;
  }
  const std::string written = parsed.atom->Text();
  if (written != text) std::abort();
  const rootwright::ParsedAtom again = rootwright::ParsePortageAtom(written);
  if (!again.atom.has_value() || !(*again.atom == *parsed.atom)) std::abort();
  return 0;
}
