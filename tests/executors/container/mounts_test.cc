#include "executors/container/mounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kTable[] =
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "42 27 254:0 /state /state rw shared:1 - ext4 /dev/vda rw\n"
    "43 42 0:39 / /state/work/a/container/root rw shared:2 - overlay overlay rw\n"
    "44 42 0:40 / /state/work-of-another/root rw - overlay overlay rw\n"
    "45 43 0:41 / /state/work/a/container/root/with\\040space rw - tmpfs tmpfs rw\n";

TEST(Mounts, FindsThoseBelowAFolderLastFirst) {
  EXPECT_THAT(MountsBelow(kTable, "/state/work"),
              ElementsAre("/state/work/a/container/root/with space", "/state/work/a/container/root"));
}

TEST(Mounts, TakesNeitherTheFolderItselfNorOneWithALongerName) {
  EXPECT_THAT(MountsBelow(kTable, "/state/work/b"), IsEmpty());
  EXPECT_THAT(MountsBelow(kTable, "/state/work/a/container/root/with space"), IsEmpty());
}

TEST(Mounts, PassesOverLinesThatAreNone) { EXPECT_THAT(MountsBelow("x\n\n1 2 3\n", "/"), IsEmpty()); }

TEST(Mounts, UnmountsNothingWhereNothingIs) { EXPECT_TRUE(UnmountBelow("/no/such/folder").ok()); }

}  // namespace
}  // namespace rootwright
