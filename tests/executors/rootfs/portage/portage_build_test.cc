// What the steps of a Portage build decide without an environment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "executors/rootfs/portage/package_database.h"
#include "executors/rootfs/portage/plan_report.h"
#include "executors/rootfs/portage/repositories.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Repositories : public testing::Test {
 protected:
  Repositories() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "repositories-")) {
    root_ = {"stage3", "", folder_.path() / "root", false};
    platform_.name = "amd64";
    platform_.profile = "default/23.0";
  }
  void Write(const std::string& path, const std::string& content) {
    fs::create_directories((folder_.path() / path).parent_path());
    std::ofstream(folder_.path() / path) << content;
  }
  absl::StatusOr<RepositoryChoice> Choose(const std::vector<HostRepository>& host) {
    return ChooseRepositories(settings_, folder_.path() / "source", root_, host, platform_);
  }

  ScopedFolder folder_;
  PortageSettings settings_;
  BuildRoot root_;
  Platform platform_;
};

TEST_F(Repositories, NoneAtAllIsToldToTheUser) {
  const auto choice = Choose({});
  EXPECT_EQ(choice.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(choice.status().message()), HasSubstr("no repository of ebuilds"));
}

TEST_F(Repositories, TheHostsIsMainAndTakesThePlaceOfTheStages) {
  Write("gentoo/profiles/default/23.0/eapi", "8");
  Write("root/var/db/repos/gentoo/profiles/repo_name", "gentoo\n");
  Write("root/var/db/repos/extra/profiles/repo_name", "extra\n");
  settings_.overlay.repositories = {{"own", "/var/db/repos/own", false}};
  const auto choice = Choose({{"gentoo", folder_.path() / "gentoo"}});
  ASSERT_TRUE(choice.ok()) << choice.status();
  std::vector<std::string> names;
  for (const PortageRepository& repository : choice->repositories) names.push_back(repository.name);
  EXPECT_THAT(names, ElementsAre("gentoo", "extra", "own"));
  ASSERT_EQ(choice->shared.size(), 1U);
  EXPECT_EQ(choice->shared[0].second, "/var/db/repos/gentoo");
  EXPECT_EQ(choice->profile, "default/23.0");
}

TEST_F(Repositories, ProfileIsTheRootsOwnOrTheUsualOneWherePlatformsIsNotThere) {
  Write("main/profiles/profiles.desc", "# comment\namd64 simple/amd64 stable\n");
  const std::vector<HostRepository> host = {{"main", folder_.path() / "main"}};
  EXPECT_EQ(Choose(host)->profile, "simple/amd64");
  Write("root/etc/portage/make.profile/eapi", "8");
  EXPECT_EQ(Choose(host)->profile, "");
}

TEST(PlanReport, NamesTheLineThatAskedAndTheWordThatWouldAllowIt) {
  Specification specification;
  PortagePackage package;
  package.atom = *ParsePortageAtom("app-test/wants").atom;
  package.line = 7;
  package.column = 3;
  specification.portage.packages = {package};
  EmergePlan plan;
  PlanFinding finding;
  finding.kind = PlanFinding::Kind::kUseChange;
  finding.atom = "app-test/needed-1";
  finding.message = "needs 'nls'";
  finding.required_by = {"app-test/wants-1", "app-test/wants"};
  finding.proposal = {{"package.use", ">=app-test/needed-1 nls"}};
  plan.findings = {finding};
  EXPECT_THAT(
      Refusals(plan, specification),
      ElementsAre("configuration.yml:7:3: app-test/needed-1: needs 'nls'; wanted by app-test/wants-1, for "
                  "app-test/wants; add it to the specification, or allow it by 'allow_changes: [use]'"));
  EXPECT_THAT(Remarks(plan, specification), IsEmpty());
  EXPECT_EQ(AllowedChanges(plan, {PlanChange::kMask}), std::nullopt);
  ASSERT_TRUE(AllowedChanges(plan, {PlanChange::kUse}).has_value());
  EXPECT_EQ(ProposalsAsDiff(ProposalsOf(plan)),
            "--- etc/portage/package.use\n+++ etc/portage/package.use\n+>=app-test/needed-1 nls\n");
  // A change that the environment made up is none.
  plan.findings[0].proposal[0].file = "../../shadow";
  EXPECT_EQ(AllowedChanges(plan, {PlanChange::kUse}), std::nullopt);
}

TEST(PlanReport, NamesEachLineThatAskedForPackagesInEachOthersWay) {
  Specification specification;
  for (const char* name : {"app-test/blocked", "app-test/other", "app-test/blocks"}) {
    PortagePackage& package = specification.portage.packages.emplace_back();
    package.atom = *ParsePortageAtom(name).atom;
    package.line = static_cast<int>(specification.portage.packages.size());
    package.column = 3;
  }
  EmergePlan plan;
  plan.findings = {
      {PlanFinding::Kind::kBlocked,
       "app-test/blocked",
       "app-test/blocks-1 (wanted by app-test/blocks) cannot be beside app-test/blocked-1 (wanted by "
       "app-test/blocked)",
       {"app-test/blocks", "app-test/blocked"},
       {},
       {}}};
  EXPECT_THAT(
      Refusals(plan, specification),
      ElementsAre("configuration.yml:1:3: app-test/blocked: app-test/blocks-1 (wanted by "
                  "app-test/blocks) cannot be beside app-test/blocked-1 (wanted by app-test/blocked); "
                  "see also configuration.yml:3:3"));
}

TEST(PackageDatabase, ReadsPackagesAndFollowsNoLink) {
  const ScopedFolder folder = *ScopedFolder::Create(fs::temp_directory_path(), "database-");
  EXPECT_THAT(*ReadPackageDatabase(folder.path()), IsEmpty());
  const fs::path package = folder.path() / "var/db/pkg/dev-libs/popt-1.19-r2";
  fs::create_directories(package);
  std::ofstream(package / "SLOT") << "0/2\n";
  std::ofstream(package / "repository") << "gentoo\n";
  std::ofstream(package / "IUSE") << "+nls static-libs\n";
  std::ofstream(package / "USE") << "amd64 nls\n";
  fs::create_directory_symlink("/etc", folder.path() / "var/db/pkg/etc");
  const auto packages = ReadPackageDatabase(folder.path());
  ASSERT_TRUE(packages.ok()) << packages.status();
  ASSERT_EQ(packages->size(), 1U);
  EXPECT_EQ((*packages)[0].name, "dev-libs/popt");
  EXPECT_EQ((*packages)[0].version, "1.19-r2");
  EXPECT_EQ((*packages)[0].slot, "0/2");
  EXPECT_THAT((*packages)[0].use, ElementsAre("nls"));
}

}  // namespace
}  // namespace rootwright
