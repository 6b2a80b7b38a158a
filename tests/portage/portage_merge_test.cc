// Portage for real: the root that images/portage describes, built by the product's own routine, merges the
// test packages into a separate root; the plan, the fetching of sources, the progress and the failures go
// through what the product uses. Needs root, the mirror, pip's index, meson and curl; what is missing fails
// the test by name.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/portage/portage_fixture.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = PlanFinding::Kind;

TEST_F(Portage, MergesTheSetAsPlanned) {
  const EmergePlan plan = Plan(Set());
  ASSERT_TRUE(plan.possible);
  EXPECT_THAT(plan.findings, IsEmpty());
  EXPECT_THAT(plan.files, SizeIs(5));
  const absl::Status fetched = Fetch(plan);
  ASSERT_TRUE(fetched.ok()) << fetched;

  const Merge merge = MergePackages(Set());
  ASSERT_EQ(merge.exit_code, 0) << merge.output;
  EXPECT_TRUE(merge.ended);
  std::vector<std::string> planned;
  for (const PlannedPackage& package : plan.packages) planned.push_back(package.cpv);
  EXPECT_EQ(merge.Completed(), planned);
  ASSERT_FALSE(merge.snapshots.empty());
  for (const EmergeSnapshot& snapshot : merge.snapshots)
    EXPECT_EQ(snapshot.total, static_cast<int>(planned.size()));

  EXPECT_THAT(RunInTarget({"/usr/bin/figlet", "ok"}), HasSubstr("|"));
  EXPECT_THAT(RunInTarget({"/usr/sbin/logrotate", "--version"}), HasSubstr("logrotate 3.21.0"));
  EXPECT_TRUE(fs::exists(root_->Written() / "target/usr/lib/libcjson_utils.so"));
  EXPECT_TRUE(fs::exists(root_->Written() / "target/usr/lib/libnss_unknown.so.2"));
  // Debian's own root got nothing but what Portage writes about itself.
  EXPECT_FALSE(fs::exists(root_->Written() / "usr/lib/libpopt.so"));
  EXPECT_FALSE(fs::exists(root_->Written() / "var/tmp/portage/app-admin"));
}

TEST_F(Portage, InPlaceItMergesIntoTheRootItselfButNotOverDebiansFiles) {
  settings_.root_mode = RootMode::kInPlace;
  settings_.profile = "amd64-in-place";
  PlaceSettings();
  const EmergePlan plan = Plan({"app-admin/logrotate"});
  ASSERT_TRUE(plan.possible);
  EXPECT_THAT(plan.packages, SizeIs(2));
  ASSERT_TRUE(Fetch(plan).ok());
  Merge merge = MergePackages({"app-admin/logrotate"});
  ASSERT_EQ(merge.exit_code, 0) << merge.output;
  settings_.separate_root = "/";
  EXPECT_THAT(RunInTarget({"/usr/sbin/logrotate", "--version"}), HasSubstr("logrotate 3.21.0"));

  merge = MergePackages({"sys-libs/debian-libc"});
  EXPECT_EQ(merge.exit_code, 1);
  EXPECT_THAT(merge.output, HasSubstr("libc.so.6"));
  EXPECT_FALSE(fs::exists(root_->Written() / "usr/lib/x86_64-linux-gnu/libc.so.6"));
}

TEST_F(Portage, WhatItBuiltOnceItMergesFromABinaryPackage) {
  settings_.use_binary_packages = true;
  ASSERT_TRUE(Fetch(Plan({"dev-libs/popt"})).ok());
  ASSERT_EQ(MergePackages({"dev-libs/popt"}).exit_code, 0);
  settings_.separate_root = "/other";
  const EmergePlan plan = Plan({"dev-libs/popt"});
  ASSERT_TRUE(plan.possible);
  for (const PlannedPackage& package : plan.packages) EXPECT_TRUE(package.binary) << package.cpv;
  EXPECT_THAT(plan.files, IsEmpty());
  const Merge merge = MergePackages({"dev-libs/popt"});
  EXPECT_EQ(merge.exit_code, 0) << merge.output;
  EXPECT_TRUE(fs::exists(root_->Written() / "other/usr/lib/libpopt.so"));
}

TEST_F(Portage, APackageThatFailsIsNamedWithItsReason) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"fails-to-configure", "did not configure: configure found no flux capacitor"},
      {"fails-to-compile", "did not compile: emake failed: greeter.c:1:25: error: implicit declaration"},
      {"fails-to-install", "did not install: "},
      {"fails-in-postinst", "was merged, but its pkg_postinst failed: the board is not connected"}};
  for (const auto& [name, why] : cases) {
    const Merge merge = MergePackages({"app-test/" + name});
    EXPECT_EQ(merge.exit_code, 1) << name;
    ASSERT_THAT(merge.failures, SizeIs(1)) << name << "\n" << merge.output;
    EXPECT_THAT(DescribeFailure(merge.failures[0]), HasSubstr(absl::StrCat("app-test/", name, "-1 ", why)));
    const absl::StatusOr<std::string> log = root_->Read(merge.failures[0].log);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_THAT(*log, HasSubstr(absl::StrCat("ERROR: app-test/", name)));
  }
}

TEST_F(Portage, EachRefusalIsOneFindingThatNamesWhoAsked) {
  PlanFinding found = Refusal({"app-test/needs-masked"});
  EXPECT_EQ(found.kind, Kind::kMasked);
  EXPECT_EQ(found.Asked(), "app-test/needs-masked");
  EXPECT_EQ(DescribeFinding(found),
            "app-test/masked: every version that fits is masked: package.mask (Never to be merged: the tests "
            "ask for "
            "it to see the refusal told with this reason.); wanted by "
            "app-test/needs-masked-1::rootwright-test, for "
            "app-test/needs-masked");
  ASSERT_THAT(found.proposal, SizeIs(1));
  EXPECT_EQ(found.proposal[0].file, "package.unmask");

  found = Refusal({"app-test/unstable"});
  EXPECT_EQ(found.kind, Kind::kMasked);
  EXPECT_EQ(found.Asked(), "app-test/unstable");
  ASSERT_THAT(found.proposal, SizeIs(1));
  EXPECT_EQ(found.proposal[0].line, "=app-test/unstable-1 ~amd64");

  found = Refusal({"app-test/needs-nls"});
  EXPECT_EQ(found.kind, Kind::kUseChange);
  EXPECT_EQ(found.Asked(), "app-test/needs-nls");
  ASSERT_THAT(found.proposal, SizeIs(1));
  EXPECT_EQ(found.proposal[0].line, ">=app-misc/hello-2.10 nls");

  found = Refusal({"app-test/needs-unknown"});
  EXPECT_EQ(found.kind, Kind::kUnknown);
  EXPECT_EQ(found.atom, ">=dev-libs/nowhere-2");
  EXPECT_EQ(found.Asked(), "app-test/needs-unknown");
}

TEST_F(Portage, TellsTheOtherRefusalsApart) {
  const std::vector<std::pair<std::vector<std::string>, Kind>> cases = {
      {{"app-test/nothere"}, Kind::kUnknown},
      {{"nocategory"}, Kind::kUnknown},
      {{"@nowhere"}, Kind::kUnknown},
      {{"=app-misc/hello"}, Kind::kInvalid},
      {{"app-misc/hello[nosuchflag]"}, Kind::kUse},
      {{"app-test/other-architecture"}, Kind::kMasked},
      {{"app-test/needs-a-flag"}, Kind::kRequiredUse},
      {{"app-test/circle-a"}, Kind::kCircular},
      {{"app-test/blocks-figlet", "app-misc/figlet"}, Kind::kBlocked}};
  for (const auto& [atoms, kind] : cases) {
    const PlanFinding found = Refusal(atoms);
    EXPECT_EQ(found.kind, kind) << atoms[0] << ": " << DescribeFinding(found);
  }
  const EmergePlan provided = Plan({"dev-build/cmake"});
  EXPECT_TRUE(provided.possible);
  ASSERT_THAT(provided.findings, SizeIs(1));
  EXPECT_EQ(provided.findings[0].kind, Kind::kProvided);
}

}  // namespace
}  // namespace rootwright
