#include "debian/control_text.h"

#include <gmock/gmock.h>

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ControlField, FindsTheFieldOnly) {
  const char* control =
      "Package: libx\nSource: x\nmulti-arch: same\nDescription: about\n Package: not this\n";
  EXPECT_EQ(ControlField(control, "Package"), "libx");
  EXPECT_EQ(ControlField(control, "Multi-Arch"), "same");
  EXPECT_EQ(ControlField(control, "Essential"), "");
}

TEST(IsPackageName, RefusesWhatWouldLeaveAFolder) {
  EXPECT_TRUE(IsPackageName("libstdc++6"));
  for (const char* bad : {"", "a", "../x", "a/b", ".x", "-x", "UPPER", "a b", "a\n"})
    EXPECT_FALSE(IsPackageName(bad)) << bad;
}

TEST(ParseConffiles, LeavesOutFlaggedAndRelativeOnes) {
  EXPECT_THAT(ParseConffiles("/etc/a\n/etc/b \nremove-on-upgrade /etc/c\netc/d\n\n"),
              ElementsAre("etc/a", "etc/b"));
}

TEST(ParseTriggers, KeepsInterestsOnly) {
  const auto found = ParseTriggers(
      "# comment\ninterest /usr/share/x\ninterest-noawait ldconfig # why\nactivate-noawait "
      "other\ninterest-await y\ninterest\n");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].trigger, "/usr/share/x");
  EXPECT_FALSE(found[0].no_await);
  EXPECT_EQ(found[1].trigger, "ldconfig");
  EXPECT_TRUE(found[1].no_await);
  EXPECT_THAT(ParseTriggers(""), IsEmpty());
}

}  // namespace
}  // namespace rootwright
