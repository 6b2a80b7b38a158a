#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "executors/rootfs/spec/platforms.h"

// A platforms file, and a branch's name against the ones that are shipped.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto platforms = rootwright::ParsePlatforms(text, "fuzz");
  if (platforms.ok() && platforms->empty()) std::abort();
  if (!platforms.ok() && platforms.status().message().empty()) std::abort();
  if (size > 128) return 0;
  static const std::vector<rootwright::Platform>& shipped =
      *new std::vector<rootwright::Platform>(rootwright::ShippedPlatforms());
  const auto platform = rootwright::PlatformOfBranch(shipped, text);
  if (platform.ok() && !absl::StartsWith(text, platform->name + "_")) std::abort();
  return 0;
}
