#include "ci/cli/units.h"

#include <gtest/gtest.h>

namespace rootwright::cli {
namespace {

TEST(ParseBytes, TakesBinaryAndDecimalUnits) {
  EXPECT_EQ(ParseBytes("1GiB").value(), 1 << 30);
  EXPECT_EQ(ParseBytes(" 512 MiB ").value(), 512 << 20);
  EXPECT_EQ(ParseBytes("64k").value(), 65536);
  EXPECT_EQ(ParseBytes("1.5G").value(), 3 << 29);
  EXPECT_EQ(ParseBytes("2MB").value(), 2000000);
  EXPECT_EQ(ParseBytes("1000000").value(), 1000000);
}

TEST(ParseBytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "G", "-1", "1 gallon", "1..2", "99999999999T", "1G2", "1e400", "nan"}) {
    EXPECT_EQ(ParseBytes(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ParseTimeSpan, AddsUpItsParts) {
  EXPECT_EQ(ParseTimeSpan("90s").value(), absl::Seconds(90));
  EXPECT_EQ(ParseTimeSpan("1h30m").value(), absl::Minutes(90));
  EXPECT_EQ(ParseTimeSpan("250ms").value(), absl::Milliseconds(250));
  EXPECT_EQ(ParseTimeSpan("2d").value(), absl::Hours(48));
  EXPECT_EQ(ParseTimeSpan("7200").value(), absl::Hours(2));
  EXPECT_EQ(ParseTimeSpan("0").value(), absl::ZeroDuration());
}

TEST(ParseTimeSpan, RefusesWhatIsNoTime) {
  for (const char* text : {"", "h", "-1s", "1h30", "1 fortnight", "400d"}) {
    EXPECT_EQ(ParseTimeSpan(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(DurationText, ChoosesUnit) {
  EXPECT_EQ(DurationText(absl::Milliseconds(-5)), "0.0 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(41234)), "41.2 s");
  EXPECT_EQ(DurationText(absl::Milliseconds(59960)), "1 m 00 s");
  EXPECT_EQ(DurationText(absl::Seconds(94)), "1 m 34 s");
  EXPECT_EQ(DurationText(absl::Minutes(123)), "2 h 03 m");
  EXPECT_EQ(DurationText(absl::Hours(76)), "3 d 04 h");
}

TEST(RoughText, RoundsToOneUnit) {
  EXPECT_EQ(RoughText(absl::ZeroDuration()), "1 s");
  EXPECT_EQ(RoughText(absl::Seconds(35)), "35 s");
  EXPECT_EQ(RoughText(absl::Seconds(230)), "4 m");
  EXPECT_EQ(RoughText(absl::Hours(2)), "2 h");
}

}  // namespace
}  // namespace rootwright::cli
