#include "vmimages/image_description.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace rootwright {
namespace {

using testing::HasSubstr;

ImageDescription Example() {
  return {.name = "debian-12-arm64",
          .recipe = "name: debian-12-arm64\n",
          .recipe_digest = std::string(64, 'a'),
          .guest_sha256 = std::string(64, 'b'),
          .kernel_release = "6.1.0-50-cloud-arm64",
          .files = {{"initrd", 512, std::string(64, 'c')}, {"kernel", 27, std::string(64, 'd')}},
          .packages = {{"tar", "1.34+dfsg-1.2+deb12u1", "arm64"}},
          .tools = {{"mke2fs", "1.47.0"}}};
}

TEST(ImageDescription, SurvivesBeingWrittenAndRead) {
  const auto read = ParseImageDescription(ToJson(Example()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, Example());
}

TEST(ImageDescription, HasADigestOverContentAndRecipe) {
  ImageDescription other = Example();
  other.files[1].sha256[0] = 'e';
  EXPECT_NE(DigestOf(other), DigestOf(Example()));
  other = Example();
  other.recipe_digest[0] = 'e';
  EXPECT_NE(DigestOf(other), DigestOf(Example()));
}

TEST(ImageDescription, IsRefusedWhenAnythingInItWasChanged) {
  const std::string changed = absl::StrReplaceAll(ToJson(Example()), {{"1.34+dfsg", "1.35+dfsg"}});
  const auto read = ParseImageDescription(changed);
  EXPECT_TRUE(absl::IsDataLoss(read.status()));
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("digest"));
}

TEST(ImageDescription, IsRefusedWhenItIsNotOne) {
  for (const char* text : {"", "{", "null", "[]", "{}", R"({"name": 1})", "\xff\xfe"}) {
    EXPECT_TRUE(absl::IsDataLoss(ParseImageDescription(text).status())) << text;
  }
}

TEST(ImageDescription, IsRefusedWhenASizeIsNone) {
  for (const char* size : {"1e300", "-1", "true", "\"512\"", "99999999999999999999"}) {
    const std::string changed = absl::StrReplaceAll(
        ToJson(Example()), {{"\"size_bytes\": 512", absl::StrCat("\"size_bytes\": ", size)}});
    EXPECT_TRUE(absl::IsDataLoss(ParseImageDescription(changed).status())) << size;
  }
}

TEST(ImageDescription, IsRefusedWhenItNamesAFileElsewhere) {
  for (const char* name : {"../kernel", "/etc/passwd", "..", ""}) {
    ImageDescription description = Example();
    description.files[0].name = name;
    EXPECT_TRUE(absl::IsDataLoss(ParseImageDescription(ToJson(description)).status())) << name;
  }
}

}  // namespace
}  // namespace rootwright
