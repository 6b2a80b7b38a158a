// What Portage says comes from an environment that is not trusted.
#include <cstddef>
#include <cstdint>
#include <variant>

#include "absl/strings/string_view.h"
#include "executors/rootfs/portage/emerge_plan.h"
#include "executors/rootfs/portage/merge_report.h"

using namespace rootwright;  // NOLINT: one file, one function.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plan = ParseEmergePlan(text);
  if (plan.ok()) {
    for (const PlanFinding& finding : plan->findings) DescribeFinding(finding);
    for (const Distfile& file : plan->files) CheckDistfile(file).IgnoreError();
  }
  MergeReport report;
  for (const absl::string_view piece : {text.substr(0, size / 3), text.substr(size / 3)}) {
    for (const MergeEvent& event : report.Append(piece)) {
      if (const auto* failure = std::get_if<MergeFailure>(&event)) DescribeFailure(*failure);
      if (const auto* snapshot = std::get_if<EmergeSnapshot>(&event))
        for (const EmergeTask& task : snapshot->tasks) PhaseInWords(task);
    }
  }
  ReadEmergeLogLine(text);
  HostOfUrl(text);
  return 0;
}
