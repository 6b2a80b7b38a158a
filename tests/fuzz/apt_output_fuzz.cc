// What apt prints is made from what a mirror sends.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "debian/apt_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  rootwright::ParsePrintUris(text);
  const auto shown = rootwright::ParseShow(text);
  rootwright::ParseFailure(text, text, "here");
  if (rootwright::IsPackageRequest(text)) rootwright::NameOfRequest(text);
  return shown.ok() ? 0 : 0;
}
