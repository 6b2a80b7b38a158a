#include "executors/rootfs/portage/emerge_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = PlanFinding::Kind;

constexpr char kEnd[] = R"({"type": "end", "ok": true, "portage": "3.0.83"})";
constexpr char kNoEnd[] = R"({"type": "end", "ok": false, "portage": "3.0.83"})";

TEST(EmergePlan, ReadsPackagesAndFilesInOrder) {
  const absl::StatusOr<EmergePlan> plan = ParseEmergePlan(std::string(R"(
{"type": "package", "cpv": "virtual/libc-1", "category": "virtual", "name": "libc", "version": "1", "slot": "0", "sub_slot": "0", "repository": "test", "root": "/target/", "binary": true, "use_on": [], "use_off": [], "replaces": [], "download_bytes": 10240, "functions": ["postinst"]}
{"type": "package", "cpv": "dev-libs/cjson-1.7.15", "category": "dev-libs", "name": "cjson", "version": "1.7.15", "slot": "0", "sub_slot": "1", "repository": "test", "root": "/target/", "binary": false, "use_on": ["utils"], "use_off": ["static-libs"], "replaces": ["dev-libs/cjson-1.7.14"], "download_bytes": 5}
{"type": "file", "name": "cjson.tar.gz", "cpv": "dev-libs/cjson-1.7.15", "urls": ["http://a.example/cjson.tar.gz"], "size": 352278, "digests": {"BLAKE2B": "e0", "SHA512": "0b", "RMD160": "7"}, "restricted": false}
)") + kEnd + "\n");
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->possible);
  EXPECT_EQ(plan->portage, "3.0.83");
  ASSERT_THAT(plan->packages, SizeIs(2));
  EXPECT_TRUE(plan->packages[0].binary);
  EXPECT_THAT(plan->packages[0].functions, ElementsAre("postinst"));
  EXPECT_EQ(plan->packages[1].cpv, "dev-libs/cjson-1.7.15");
  EXPECT_EQ(plan->packages[1].sub_slot, "1");
  EXPECT_THAT(plan->packages[1].use_on, ElementsAre("utils"));
  EXPECT_THAT(plan->packages[1].use_off, ElementsAre("static-libs"));
  EXPECT_THAT(plan->packages[1].replaces, ElementsAre("dev-libs/cjson-1.7.14"));
  ASSERT_THAT(plan->files, SizeIs(1));
  EXPECT_EQ(plan->files[0].size_bytes, 352278);
  EXPECT_THAT(plan->files[0].digests, SizeIs(2));
}

TEST(EmergePlan, AFindingNamesWhatAndWhoAsked) {
  const absl::StatusOr<EmergePlan> plan = ParseEmergePlan(std::string(R"(
{"type": "finding", "kind": "masked", "atom": "app-test/masked", "message": "every version that fits is masked: package.mask", "required_by": ["app-test/needs-masked-1::test", "app-test/needs-masked"], "packages": [{"cpv": "app-test/masked-1::test", "reasons": ["package.mask"], "comment": "Broken.", "file": "/p/package.mask"}], "proposal": [{"file": "package.unmask", "line": "=app-test/masked-1"}]}
)") + kNoEnd);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_THAT(plan->findings, SizeIs(1));
  const PlanFinding& finding = plan->findings[0];
  EXPECT_EQ(finding.kind, Kind::kMasked);
  EXPECT_EQ(finding.Asked(), "app-test/needs-masked");
  EXPECT_EQ(finding.masked[0].file, "/p/package.mask");
  EXPECT_EQ(finding.proposal[0].line, "=app-test/masked-1");
  EXPECT_EQ(DescribeFinding(finding),
            "app-test/masked: every version that fits is masked: package.mask (Broken.); wanted by "
            "app-test/needs-masked-1::test, for app-test/needs-masked");
}

TEST(EmergePlan, WhatTheUserAskedForItselfIsNotWantedByAnybody) {
  const PlanFinding finding{Kind::kUnknown, "app-test/x", "no repository has such a package", {}, {}, {}};
  EXPECT_EQ(finding.Asked(), "app-test/x");
  EXPECT_EQ(DescribeFinding(finding), "app-test/x: no repository has such a package");
}

TEST(EmergePlan, ARefusalWithoutReasonGetsOne) {
  const absl::StatusOr<EmergePlan> plan = ParseEmergePlan(kNoEnd);
  ASSERT_TRUE(plan.ok());
  ASSERT_THAT(plan->findings, SizeIs(1));
  EXPECT_EQ(plan->findings[0].kind, Kind::kOther);
  EXPECT_THAT(DescribeFinding(plan->findings[0]), HasSubstr("in the log"));
}

TEST(EmergePlan, UnknownKindsOfLinesAndFieldsAreLeftOut) {
  const absl::StatusOr<EmergePlan> plan = ParseEmergePlan(std::string(R"({"type": "news", "x": [1]}
{"type": "package", "cpv": 7, "use_on": "x", "use_off": [1, "y"], "download_bytes": -5, "binary": "yes"}
{"type": "finding", "kind": "new_kind", "packages": [1, {}], "proposal": {}}
)") + kEnd);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->packages[0].cpv, "");
  EXPECT_THAT(plan->packages[0].use_on, IsEmpty());
  EXPECT_THAT(plan->packages[0].use_off, ElementsAre("y"));
  EXPECT_EQ(plan->packages[0].download_bytes, 0);
  EXPECT_FALSE(plan->packages[0].binary);
  EXPECT_EQ(plan->findings[0].kind, Kind::kOther);
}

TEST(EmergePlan, WhatIsCutShortOrNoAnswerIsRefused) {
  for (const std::string& answer :
       {std::string(), std::string(R"({"type": "package"})"),
        std::string("Traceback (most recent call last)\n"), std::string(kEnd) + "\n" + kEnd,
        std::string("[1]\n") + kEnd, std::string(1 << 21, ' ') + "\n" + kEnd}) {
    EXPECT_TRUE(absl::IsDataLoss(ParseEmergePlan(answer).status())) << answer.substr(0, 60);
  }
}

TEST(EmergePlan, TextsCannotControlATerminal) {
  const absl::StatusOr<EmergePlan> plan = ParseEmergePlan(
      std::string(
          R"({"type": "finding", "atom": "a\u001b[31m\nb", "message": "", "required_by": ["\u0000"]})") +
      "\n" + kEnd);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->findings[0].atom, "a?[31m?b");
  EXPECT_THAT(plan->findings[0].required_by, ElementsAre("?"));
}

TEST(EmergePlan, TheProgramIsThere) {
  EXPECT_THAT(std::string(PlanProgram()), HasSubstr("backtrack_depgraph"));
  EXPECT_EQ(PlanProgram().substr(0, 3), "\"\"\"");
}

}  // namespace
}  // namespace rootwright
