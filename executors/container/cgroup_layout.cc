#include "executors/container/cgroup_layout.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rootwright {
namespace {

// What limits of a container need, and what else libvirt makes groups in.
constexpr const char* kControllers[] = {"cpu",     "cpuacct", "memory", "pids",
                                        "devices", "freezer", "cpuset", "blkio"};

}  // namespace

CgroupLayout CgroupLayout::Parse(absl::string_view mountinfo) {
  CgroupLayout layout;
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    // "36 31 0:33 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory"
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> fields = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> kind = absl::StrSplit(halves[1], ' ');
    if (fields.size() < 5 || kind.size() < 3) continue;
    const std::string at(fields[4]);
    if (kind[0] == "cgroup2" && layout.unified.empty()) layout.unified = at;
    if (kind[0] != "cgroup") continue;
    for (absl::string_view option : absl::StrSplit(kind[2], ',')) {
      for (const char* controller : kControllers) {
        if (option == controller) layout.legacy.emplace(controller, at);
      }
    }
  }
  if (!layout.unified.empty())
    layout.kind = layout.legacy.empty() ? Kind::kUnified : Kind::kHybrid;
  else if (!layout.legacy.empty())
    layout.kind = Kind::kLegacy;
  return layout;
}

std::string CgroupLayout::Describe() const {
  const std::string controllers =
      absl::StrJoin(legacy, ", ", [](std::string* out, const auto& entry) { out->append(entry.first); });
  switch (kind) {
    case Kind::kNone:
      return "no control groups are mounted";
    case Kind::kUnified:
      return "control groups version 2";
    case Kind::kHybrid:
      return absl::StrCat("control groups version 1 (", controllers, ") with version 2 beside it");
    case Kind::kLegacy:
      return absl::StrCat("control groups version 1 (", controllers, ")");
  }
  return "";
}

std::filesystem::path CgroupOf(const CgroupLayout& layout, absl::string_view process_cgroups,
                               absl::string_view controller) {
  const auto legacy = layout.legacy.find(controller);
  for (absl::string_view line : absl::StrSplit(process_cgroups, '\n', absl::SkipEmpty())) {
    // "4:memory:/machine/lxc-1-name.libvirt-lxc", "0::/machine"; a path may hold colons.
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::filesystem::path below = std::string(absl::StripPrefix(fields[2], "/"));
    const std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
    for (const std::string& named : controllers) {
      if (legacy != layout.legacy.end() && named == controller) return legacy->second / below;
    }
    if (legacy == layout.legacy.end() && !layout.unified.empty() && fields[0] == "0" && fields[1].empty())
      return layout.unified / below;
  }
  return {};
}

}  // namespace rootwright
