#include <cstdint>
#include <cstdlib>

#include "ci/cli/host_report.h"
#include "ci/cli/rpc_error.h"
#include "ci/cli/text.h"
#include "ci/cli/units.h"

// What the command line reads of others: error details, the agent's host check, text for a
// terminal. No control character may come through.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& violation : rootwright::cli::ParseViolations(text)) {
    if (violation.field.find('\x1b') != std::string::npos) std::abort();
  }
  if (const auto report = rootwright::cli::ParseHostReport(text); report.ok())
    rootwright::cli::HostReportLines(*report);
  for (const char c : rootwright::cli::Printable(text)) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  (void)rootwright::cli::ParseBytes(text);
  (void)rootwright::cli::ParseTimeSpan(text);
  return 0;
}
