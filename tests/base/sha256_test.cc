#include "base/sha256.h"

#include <gtest/gtest.h>

#include "base/file.h"

namespace rootwright {
namespace {

// FIPS 180-4's own example.
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256, AgreesWithTheStandardsExample) { EXPECT_EQ(Sha256::Of("abc"), kAbc); }

TEST(Sha256, DigestInBetweenDoesNotEndIt) {
  Sha256 sha;
  sha.Update("a");
  EXPECT_EQ(sha.Digest(), Sha256::Of("a"));
  sha.Update("bc");
  EXPECT_EQ(sha.Digest(), kAbc);
}

TEST(Sha256, OfFileReadsItAll) {
  absl::StatusOr<ScopedFolder> folder = ScopedFolder::Create(testing::TempDir(), "sha-");
  ASSERT_TRUE(folder.ok());
  const std::string content(3 << 20, 'x');
  ASSERT_TRUE(WriteFileAtomically(folder->path() / "f", content).ok());
  EXPECT_EQ(Sha256::OfFile(folder->path() / "f").value(), Sha256::Of(content));
  EXPECT_EQ(Sha256::OfFile(folder->path() / "g").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rootwright
