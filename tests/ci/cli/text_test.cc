#include "ci/cli/text.h"

#include <gtest/gtest.h>

namespace rootwright::cli {
namespace {

TEST(Printable, MakesEscapeSequencesHarmless) {
  EXPECT_EQ(Printable("\x1b[2Jgone\x7f\r\t."), "?[2Jgone?? .");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "31m"),
            "?31m");
}

TEST(Printable, KeepsUtf8AndReplacesWhatIsNone) {
  EXPECT_EQ(Printable("grün ✓ 😀"), "grün ✓ 😀");
  EXPECT_EQ(Printable("a\xFF"
                      "b\xC3"),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(Printable("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Render, CutsAtColumnsNotBytes) {
  EXPECT_EQ(Render(Line("✓✓✓✓"), Colour::kOff, 4), "✓✓✓✓");
  EXPECT_EQ(Render(Line("✓✓✓✓✓"), Colour::kOff, 4), "✓✓✓…");
  EXPECT_EQ(Render(Line("ab").Add("cd", Tone::kBad), Colour::kOn, 3), "ab…");
}

TEST(Render, ColoursOnlyWhenAsked) {
  EXPECT_EQ(Render(Line("a").Add("b", Tone::kGood), Colour::kOn), "a\x1b[32mb\x1b[0m");
  EXPECT_EQ(Render(Line("a").Add("b", Tone::kGood), Colour::kOff), "ab");
}

TEST(Line, FillsToColumn) {
  EXPECT_EQ(Render(Line("✓").To(4).Add("x"), Colour::kOff), "✓   x");
  EXPECT_EQ(Render(Line("long").To(2).Add("x"), Colour::kOff), "long x");
}

}  // namespace
}  // namespace rootwright::cli
