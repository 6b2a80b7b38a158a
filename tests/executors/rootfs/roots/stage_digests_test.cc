#include "executors/rootfs/roots/stage_digests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

using Algorithm = StageDigest::Algorithm;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string k256(64, 'a');
const std::string k512(128, 'b');
const std::string kBlake(128, 'c');

TEST(StageDigests, GentoosFileIsRead) {
  // As gpgv gives it: without the signature and its frame.
  const auto digests = ParseStageDigests(
      absl::StrCat("# BLAKE2B HASH\n", kBlake, "  stage3.tar.xz\n# SHA512 HASH\n", k512,
                   "  stage3.tar.xz\n# WHIRLPOOL HASH\n", "123  stage3.tar.xz\n# SHA512 HASH\n", k512,
                   "  stage3.tar.xz.CONTENTS.gz\n"));
  ASSERT_TRUE(digests.ok()) << digests.status();
  EXPECT_THAT(*digests, ElementsAre(StageDigest{Algorithm::kBlake2b, kBlake, "stage3.tar.xz"},
                                    StageDigest{Algorithm::kSha512, k512, "stage3.tar.xz"},
                                    StageDigest{Algorithm::kSha512, k512, "stage3.tar.xz.CONTENTS.gz"}));
}

TEST(StageDigests, PlainSumsAreToldByTheirLength) {
  const auto digests = ParseStageDigests(absl::StrCat(k256, " *a b\r\n", k512, "  c"));
  ASSERT_TRUE(digests.ok()) << digests.status();
  EXPECT_THAT(*digests, ElementsAre(StageDigest{Algorithm::kSha256, k256, "a b"},
                                    StageDigest{Algorithm::kSha512, k512, "c"}));
}

TEST(StageDigests, AnythingElseIsNamed) {
  EXPECT_THAT(
      std::string(ParseStageDigests(absl::StrCat("# SHA512 HASH\n", k256, "  x\n")).status().message()),
      HasSubstr("line 2"));
  for (const std::string& bad :
       {std::string("hello\n"), k256, absl::StrCat(k256, " "), std::string(64, 'g') + "  x"})
    EXPECT_TRUE(absl::IsInvalidArgument(ParseStageDigests(bad).status())) << bad;
  EXPECT_THAT(*ParseStageDigests("# a comment\n\n"), ElementsAre());
}

TEST(StageDigests, AnOptionNamesAlgorithmAndDigest) {
  EXPECT_EQ(*ParseDigestOption(absl::StrCat("sha256:", std::string(64, 'A'))),
            (StageDigest{Algorithm::kSha256, k256, ""}));
  EXPECT_EQ(ParseDigestOption(absl::StrCat("sha512:", k512))->algorithm, Algorithm::kSha512);
  for (const std::string& bad :
       {k256, absl::StrCat("sha512:", k256), absl::StrCat("md5:", k256), std::string()})
    EXPECT_TRUE(absl::IsInvalidArgument(ParseDigestOption(bad).status())) << bad;
}

TEST(StageDigests, EachOfTheFileMustBeRight) {
  const DigestsOfFile found = {{Algorithm::kSha256, k256}, {Algorithm::kSha512, k512}};
  EXPECT_TRUE(
      CheckDigests({{Algorithm::kSha256, k256, "x"}, {Algorithm::kSha512, k512, "x"}}, "x", found).ok());
  const absl::Status wrong =
      CheckDigests({{Algorithm::kSha256, k256, "x"}, {Algorithm::kSha512, kBlake, "x"}}, "x", found);
  EXPECT_TRUE(absl::IsInvalidArgument(wrong));
  EXPECT_THAT(std::string(wrong.message()), HasSubstr("its SHA512 is"));
  const absl::Status none = CheckDigests({{Algorithm::kSha256, k256, "y"}}, "x", found);
  EXPECT_THAT(std::string(none.message()), HasSubstr("none for x; there are those of: y"));
  EXPECT_FALSE(CheckDigests({}, "x", found).ok());
}

TEST(StageDigests, SignedTextIsToldFromPlain) {
  EXPECT_TRUE(IsClearsigned("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n"));
  EXPECT_FALSE(IsClearsigned("# SHA512 HASH\n"));
}

}  // namespace
}  // namespace rootwright
