#include "executors/libvirt/domain_text.h"

#include <gtest/gtest.h>

namespace rootwright {
namespace {

TEST(EscapeXml, KeepsUtf8AndReplacesWhatXmlCannotHold) {
  EXPECT_EQ(EscapeXml("grün"), "grün");
  EXPECT_EQ(EscapeXml(absl::string_view("a\0b\x01", 4)), "a?b?");
  EXPECT_EQ(EscapeXml("a\nb\tc"), "a&#10;b&#9;c");
}

}  // namespace
}  // namespace rootwright
