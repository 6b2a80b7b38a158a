#include "executors/rootfs/roots/openpgp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace rootwright {
namespace {

using testing::HasSubstr;

constexpr char kBegin[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n";
constexpr char kEnd[] = "-----END PGP PUBLIC KEY BLOCK-----\n";

TEST(BinaryKeyring, ArmourIsTakenOff) {
  EXPECT_EQ(*BinaryKeyring("\x99\x01 binary"), "\x99\x01 binary");
  const std::string block = absl::StrCat(kBegin, "Comment: x\n\naGVs\nbG8=\n=abcd\n", kEnd);
  EXPECT_EQ(*BinaryKeyring(block), "hello");
  EXPECT_EQ(*BinaryKeyring(absl::StrCat("text before\n", block, block)), "hellohello");
}

TEST(BinaryKeyring, DamageIsRefused) {
  for (const std::string& bad :
       {std::string(), absl::StrCat(kBegin, "\naGVsbG8=\n"), absl::StrCat(kBegin, "\n!!!\n", kEnd),
        absl::StrCat(kBegin, "\n", kEnd), std::string("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\naGVs\n"),
        std::string("-----BEGIN PGP PUBLIC KEY BLOCK-----")})
    EXPECT_TRUE(absl::IsInvalidArgument(BinaryKeyring(bad).status())) << bad;
}

std::string Told(const char* status) {
  const auto read = ReadGpgvStatus(status, "x");
  return read.ok() ? read->fingerprint : std::string(read.status().message());
}

TEST(GpgvStatus, IsReadForWhatItMeans) {
  EXPECT_EQ(Told("[GNUPG:] GOODSIG 1234 Somebody\n[GNUPG:] VALIDSIG AAAA 2026-11-01 1 0 4 0 1 10 00 BBBB\n"),
            "BBBB");
  EXPECT_THAT(Told("[GNUPG:] BADSIG 1234 Somebody\n"), HasSubstr("is bad"));
  EXPECT_THAT(Told("[GNUPG:] ERRSIG 1234 1 10 00 1 9 -\n[GNUPG:] NO_PUBKEY 1234\n"),
              HasSubstr("key 1234, which is not among the keys given"));
  EXPECT_THAT(Told("[GNUPG:] EXPKEYSIG 1234 x\n[GNUPG:] VALIDSIG AAAA\n"), HasSubstr("has expired"));
  EXPECT_THAT(Told("[GNUPG:] REVKEYSIG 1234 x\n[GNUPG:] VALIDSIG AAAA\n"), HasSubstr("revoked"));
  EXPECT_THAT(Told("[GNUPG:] NODATA 1\n"), HasSubstr("there is none"));
  EXPECT_THAT(Told("[GNUPG:] GOODSIG 1 x\n[GNUPG:] VALIDSIG AA\n[GNUPG:] BADSIG 2 y\n"), HasSubstr("is bad"))
      << "one bad signature is enough";
  EXPECT_THAT(Told("GOODSIG 1234\n"), HasSubstr("there is none"));
}

}  // namespace
}  // namespace rootwright
