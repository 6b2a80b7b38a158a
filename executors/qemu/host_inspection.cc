#include "executors/qemu/host_inspection.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/find_program.h"
#include "vmimages/recipe.h"

namespace rootwright {
namespace {

const char* PackageOfEmulator(Architecture architecture) {
  switch (architecture) {
    case Architecture::kAmd64:
      return "qemu-system-x86";
    case Architecture::kRiscv64:
      return "qemu-system-misc";
    default:
      return "qemu-system-arm";
  }
}

}  // namespace

HostCheck CheckMachines(Architecture architecture, bool required) {
  const ArchitectureNames& names = NamesOf(architecture);
  const HostCheck::Result lacking = required ? HostCheck::Result::kFailed : HostCheck::Result::kDegraded;
  HostCheck check{absl::StrCat(names.debian, " machines"), lacking, "", ""};
  if (!RecipeFor(architecture).ok()) {
    check.finding = "there is no machine image for them yet";
    check.remedy = "take it out of `targets`";
    return check;
  }
  check.finding = FindProgram(names.qemu);
  if (!check.finding.empty()) {
    check.result = HostCheck::Result::kOk;
    return check;
  }
  check.finding = absl::StrCat(names.qemu, " is missing");
  check.remedy = absl::StrCat("apt-get install ", PackageOfEmulator(architecture));
  return check;
}

HostCheck CheckImageTools() {
  std::vector<std::string> missing;
  std::vector<std::string> packages;
  constexpr const char* kTools[][2] = {{"qemu-img", "qemu-utils"}, {"mke2fs", "e2fsprogs"}};
  for (const auto& tool : kTools) {
    if (!FindProgram(tool[0]).empty()) continue;
    missing.push_back(tool[0]);
    packages.push_back(tool[1]);
  }
  if (missing.empty()) return {"image tools", HostCheck::Result::kOk, "qemu-img, mke2fs", ""};
  return {"image tools", HostCheck::Result::kFailed, absl::StrCat(absl::StrJoin(missing, ", "), ": missing"),
          absl::StrCat("apt-get install ", absl::StrJoin(packages, " "))};
}

HostCheck DescribeKvm(const absl::Status& probed) {
  if (probed.ok()) return {"KVM", HostCheck::Result::kOk, "a test guest booted", ""};
  const bool no_qemu = absl::StrContains(probed.message(), "qemu-system-");
  return {"KVM", HostCheck::Result::kDegraded,
          absl::StrCat(std::string(probed.message()), "; using emulation"),
          no_qemu ? absl::StrCat("apt-get install ", PackageOfEmulator(HostArchitecture())) : ""};
}

std::vector<Architecture> MachineArchitectures() {
  std::vector<Architecture> found;
  for (const Architecture architecture : {Architecture::kAmd64, Architecture::kArm64, Architecture::kArmhf,
                                          Architecture::kRiscv64, Architecture::kArmel}) {
    if (RecipeFor(architecture).ok()) found.push_back(architecture);
  }
  return found;
}

}  // namespace rootwright
