#include "executors/qemu/host_inspection.h"

#include <gtest/gtest.h>

namespace rootwright {
namespace {

// There is no image for them, so the answer is the same on every host.
TEST(CheckMachines, OnlyWhatIsRequiredIsAFailure) {
  const HostCheck required = CheckMachines(Architecture::kRiscv64, true);
  EXPECT_EQ(required.name, "riscv64 machines");
  EXPECT_EQ(required.result, HostCheck::Result::kFailed);
  EXPECT_FALSE(required.remedy.empty());
  EXPECT_EQ(CheckMachines(Architecture::kRiscv64, false).result, HostCheck::Result::kDegraded);
}

}  // namespace
}  // namespace rootwright
