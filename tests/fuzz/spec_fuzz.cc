#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "executors/rootfs/spec/platforms.h"
#include "executors/rootfs/spec/specification.h"
#include "executors/rootfs/spec/translation.h"

namespace {

// What may end a line early or begin another in Portage's files.
bool HasLooseLine(const rootwright::TranslatedFile& file) {
  return file.path.find("..") != std::string::npos ||
         file.content.find_first_of("\r`\\") != std::string::npos ||
         (!file.content.empty() && file.content.back() != '\n');
}

}  // namespace

// Whatever a user commits as configuration.yml is parsed and translated on the build host.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  rootwright::ParseOptions options;
  options.keyword = "arm64";
  const rootwright::ParsedSpecification parsed = rootwright::ParseSpecification(text, options);
  rootwright::FormatProblems(parsed.AllInOrder());
  if (!parsed.ok()) return 0;
  static const std::vector<rootwright::Platform>& platforms =
      *new std::vector<rootwright::Platform>(rootwright::ShippedPlatforms());
  for (const auto& file : rootwright::TranslateSpecification(parsed.specification, &platforms[0])) {
    if (HasLooseLine(file)) std::abort();
  }
  return 0;
}
