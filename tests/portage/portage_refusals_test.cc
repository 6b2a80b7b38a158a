// What ends a build before any package is installed: what Portage refuses, and source files that are not to
// be had (portage_routine_fixture.h).
#include "tests/portage/portage_routine_fixture.h"

namespace rootwright {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(PortageRoutine, WhatPortageRefusesIsToldWithItsPlaceInTheSpecification) {
  Configure("separate", "packages:\n  app-misc/figlet: {}\n  app-test/needs-masked: {}\n");
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_THAT(run_.result.failure,
              AllOf(StartsWith("configuration.yml:4:3: app-test/masked: every version that fits is masked"),
                    HasSubstr("allow_changes: [mask]")));
  EXPECT_THAT(run_.reporter.log, HasSubstr("+++ etc/portage/package.unmask\n+=app-test/masked-1\n"));
  EXPECT_EQ(Json("plan.json", routine_->failure_artifacts())["findings"][0]["kind"], "masked");
}

TEST_F(PortageRoutine, PackagesThatCannotBeBesideEachOtherAreToldWithTheirPlaces) {
  Configure("separate", "packages:\n  app-misc/figlet: {}\n  app-test/blocks-figlet: {}\n");
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_EQ(run_.result.failure,
            "configuration.yml:3:3: app-misc/figlet: app-test/blocks-figlet-1 (wanted by "
            "app-test/blocks-figlet) cannot be beside app-misc/figlet-2.2.5 (wanted by app-misc/figlet); see "
            "also configuration.yml:4:3");
}

TEST_F(PortageRoutine, PackagesThatNeedEachOtherToBeBuiltAreToldWithTheirPlace) {
  Configure("separate", "packages:\n  app-misc/figlet: {}\n  app-test/circle-a: {}\n");
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_EQ(run_.result.failure,
            "configuration.yml:4:3: app-test/circle-a: need each other to be built: app-test/circle-a-1 "
            "(wanted by app-test/circle-a), app-test/circle-b-1 (wanted by "
            "app-test/circle-a-1::rootwright-test, for app-test/circle-a)");
}

TEST_F(PortageRoutine, TwoVersionsForOneSlotAreToldWithTheirPlaces) {
  for (const char* version : {"1", "2"}) OwnEbuild(version, "");
  Configure("separate", "packages:\n  =app-own/package-1: {}\n  =app-own/package-2: {}\n");
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_EQ(
      run_.result.failure,
      "configuration.yml:4:3: app-own/package:0: only one can be in the slot: app-own/package-1 (wanted by "
      "=app-own/package-1), app-own/package-2 (wanted by =app-own/package-2); see also "
      "configuration.yml:3:3");
}

TEST_F(PortageRoutine, AChangeThatIsAllowedIsMadeAndTold) {
  Write("configuration.yml",
        "package_manager: {portage: {root_mode: separate, allow_changes: [use]}}\n"
        "packages:\n  app-test/needs-nls: {}\npre_install_commands: [exit 7]\n");
  Build();
  // The plan is all that matters here.
  EXPECT_EQ(run_.steps.back(), "pre_install");
  EXPECT_THAT(run_.reporter.warnings, testing::Contains(HasSubstr("package.use: >=app-misc/hello-2.10 nls")));
  EXPECT_GT(run_.reporter.planned, 0) << run_.Describe();
}

TEST_F(PortageRoutine, ASourceFileThatIsAnotherIsTheUsersFailureWithItsHostAndDigests) {
  OwnPackage("http://deb.debian.org/debian/pool/main/f/figlet/figlet_2.2.5.orig.tar.gz", 233201);
  Build();
  ASSERT_TRUE(run_.status.ok()) << run_.Describe();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_THAT(run_.result.failure,
              AllOf(HasSubstr("figlet_2.2.5.orig.tar.gz: deb.debian.org: http://deb.debian.org/"),
                    HasSubstr("the Manifest says ")));
}

TEST_F(PortageRoutine, ASourceFileThatNoHostHasIsTheUsersFailureWithEachOfThemAndItsDigest) {
  OwnPackage("http://deb.debian.org/debian/here/lost-1.tar.gz http://deb.debian.org/debian/lost-1.tar.gz", 7);
  Build();
  ASSERT_TRUE(run_.status.ok()) << run_.Describe();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_EQ(
      run_.result.failure,
      "source file of app-own/package-1: lost-1.tar.gz: deb.debian.org: "
      "http://deb.debian.org/debian/here/lost-1.tar.gz: curl: (22) The requested URL returned error: 404; "
      "deb.debian.org: http://deb.debian.org/debian/lost-1.tar.gz: curl: (22) The requested URL returned "
      "error: 404; the Manifest says SHA512 " +
          std::string(128, 'b'));
}

TEST_F(PortageRoutine, ASourceFileWhoseHostDoesNotAnswerMayBeThereAnotherTime) {
  // Nobody listens there.
  OwnPackage("http://127.0.0.1:9/lost-1.tar.gz", 7);
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_TRUE(absl::IsUnavailable(run_.status)) << run_.Describe();
  EXPECT_THAT(
      std::string(run_.status.message()),
      AllOf(StartsWith("source file of app-own/package-1: lost-1.tar.gz: 127.0.0.1: "
                       "http://127.0.0.1:9/lost-1.tar.gz: curl: (7) Failed to connect to 127.0.0.1 port 9"),
            EndsWith("; the Manifest says SHA512 " + std::string(128, 'b'))));
}

}  // namespace
}  // namespace rootwright
