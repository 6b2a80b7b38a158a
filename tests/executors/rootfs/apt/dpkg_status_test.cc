#include "executors/rootfs/apt/dpkg_status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DpkgStatus, CountsConfiguredPackagesOnce) {
  DpkgStatus status;
  std::vector<std::string> items;
  for (const char* piece : {"processing: configure: libc6:arm", "64\nstatus: libc6:arm64: half-configured\n",
                            "status: libc6:arm64: installed\nstatus: libc6:arm64: installed\n",
                            "processing: trigproc: libc-bin\nstatus: libc-bin: triggers-pending\n"}) {
    for (const DpkgStatus::Change& change : status.Append(piece))
      items.push_back(change.phase + " " + change.item);
  }
  EXPECT_THAT(items, testing::ElementsAre("configuring libc6", "configured libc6",
                                          "processing triggers libc-bin", "configured libc-bin"));
  EXPECT_EQ(status.done(), 2);
  EXPECT_FALSE(status.failure().has_value());
}

TEST(DpkgStatus, KeepsTheFirstFailure) {
  DpkgStatus status;
  status.Append(
      "status: greeter : error : installed greeter package post-installation script subprocess returned "
      "error exit "
      "status 7\nstatus: other : error : dependency problems - leaving unconfigured\n");
  ASSERT_TRUE(status.failure().has_value());
  EXPECT_EQ(status.failure()->package, "greeter");
  EXPECT_EQ(status.failure()->exit_code, 7);
  EXPECT_THAT(status.failure()->why, HasSubstr("post-installation"));
}

TEST(DpkgStatus, NonsenseChangesNothing) {
  DpkgStatus status;
  EXPECT_THAT(status.Append("\n\n: : :\nstatus\nstatus: x\nfoo: bar: baz\n"), IsEmpty());
  EXPECT_THAT(status.Append(std::string(1 << 20, 'x')), IsEmpty());
  EXPECT_EQ(status.done(), 0);
}

}  // namespace
}  // namespace rootwright
