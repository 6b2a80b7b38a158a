#include "base/size_text.h"

#include <gtest/gtest.h>

namespace rootwright {
namespace {

TEST(SizeText, ChoosesUnit) {
  EXPECT_EQ(SizeText(612), "612 B");
  EXPECT_EQ(SizeText(9600), "9.4 KiB");
  EXPECT_EQ(SizeText((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(SizeText(int64_t{5} << 40), "5.0 TiB");
}

}  // namespace
}  // namespace rootwright
