#include "debian/apt_plan.h"

#include <gmock/gmock.h>

namespace rootwright {
namespace {

using ::testing::HasSubstr;

TEST(ParsePrintUris, TakesOnlyTheQuotedLines) {
  const auto uris = ParsePrintUris(
      "Reading package lists...\n"
      "'http://m/pool/b/busybox_1%3a1.35-4_arm64.deb' busybox_1%3a1.35-4_arm64.deb 143724 SHA256:00\n"
      "'\n'http://x\n");
  ASSERT_EQ(uris.size(), 1u);
  EXPECT_EQ(uris[0].uri, "http://m/pool/b/busybox_1%3a1.35-4_arm64.deb");
  EXPECT_EQ(uris[0].file, "busybox_1%3a1.35-4_arm64.deb");
}

TEST(ParseShow, ReadsEveryStanza) {
  const std::string digest(64, 'a');
  const auto packages = ParseShow(
      "Package: a\nVersion: 1:2\nArchitecture: all\nInstalled-Size: 3\nFilename: pool/a.deb\n"
      "Size: 7\nSHA256: " +
      digest +
      "\nDescription: x\n Size: 9\n\n"
      "Package: b\nVersion: 2\nArchitecture: arm64\nFilename: pool/b.deb\nSize: 8\nSHA256: " +
      digest + "\n\n");
  ASSERT_TRUE(packages.ok()) << packages.status();
  EXPECT_EQ(packages->size(), 2u);
  EXPECT_EQ(packages->at("a=1:2").installed_bytes, 3072);
  EXPECT_EQ(packages->at("a=1:2").size_bytes, 7);
  EXPECT_EQ(packages->at("b=2").architecture, "arm64");
}

TEST(ParseShow, MissingDigestIsDataLoss) {
  EXPECT_EQ(ParseShow("Package: a\nVersion: 1\nFilename: f\nSize: 1\n").status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(ParseFailure, NamesEachPackageWithItsReason) {
  const auto found =
      ParseFailure("Package awk is a virtual package provided by:\n  mawk 1.3\n  gawk 1:5.2\n\n",
                   "E: Unable to locate package nosuch\nE: Package 'awk' has no installation candidate\n"
                   "E: Version '9' for 'busybox' was not found\nE: Release 'sid' for 'nano' was not found\n",
                   "bookworm main (arm64)");
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].name, "nosuch");
  EXPECT_EQ(found[0].why, "no such package in bookworm main (arm64)");
  EXPECT_EQ(found[1].why, "only a name that others provide; ask for one of gawk, mawk");
  EXPECT_THAT(found[2].why, HasSubstr("no version 9"));
  EXPECT_THAT(found[3].why, HasSubstr("no suite sid"));
}

TEST(ParseFailure, UnmetDependenciesAreGatheredByPackage) {
  const auto found = ParseFailure(
      "The following packages have unmet dependencies:\n"
      " broken : Depends: missing (>= 2) but it is not installable\n"
      "          Depends: gone but it is not going to be installed\n"
      " other : Conflicts: broken\n",
      "E: Unable to correct problems, you have held broken packages.\n", "x");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "broken");
  EXPECT_EQ(found[0].why,
            "depends on missing (>= 2) but it is not installable; depends on gone but it is not going to be "
            "installed");
  EXPECT_EQ(found[1].why, "conflicts with broken");
}

TEST(IsPackageRequest, TakesNamesVersionsAndSuites) {
  for (const char* good :
       {"busybox", "g++", "libc6=2.36-9+deb12u14", "x11-common=1:7.7+23", "nano/bookworm-backports", "0ad"}) {
    EXPECT_TRUE(IsPackageRequest(good)) << good;
  }
}

TEST(IsPackageRequest, RefusesWhatAptWouldTakeAsSomethingElse) {
  for (const char* bad :
       {"",           "-o",       "--reinstall", "busybox-", "?essential", "~i",        "./x.deb",
        "/etc/x.deb", "a",        "lib*",        "lib.*$",   "two words",  "nano=",     "nano/",
        "nano/../x",  "nano=1/2", "UPPER",       "task^",    "a\nb",       "nano:amd64"}) {
    EXPECT_FALSE(IsPackageRequest(bad)) << bad;
  }
}

}  // namespace
}  // namespace rootwright
