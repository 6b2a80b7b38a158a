#include "executors/rootfs/routine/rootfs_routine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/routine/rootfs_routine_with.h"
#include "tests/executors/fake_environment.h"
#include "tests/executors/rootfs/apt/fake_debian_root.h"
#include "tests/executors/routine_run.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Rootfs : public testing::Test {
 protected:
  Rootfs()
      : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "rootfs-")), debian_(new FakeDebianRoot) {
    request_.environment.build_id = "0123abcd";
    request_.environment.work_folder = folder_.path() / "work";
    request_.boot_limit = absl::Seconds(30);
    request_.environment.disk_bytes = 1 << 30;
    request_.source.url = origin().string();
    request_.outputs = {PackFormat::kTarGz};
    fs::create_directories(request_.environment.work_folder);
    fs::create_directories(origin());
    host_.apt_mirror = "http://mirror.example.org/debian";
    host_.programs = std::getenv("ROOTWRIGHT_BIN");
    Write("configuration.yml", Header("packages:\n  greeter: {}\n"));
  }

  fs::path origin() const { return folder_.path() / "origin"; }
  static std::string Header(const std::string& rest) {
    return "package_manager: {apt: {suite: bookworm}}\n" + rest;
  }
  void Write(const std::string& path, const std::string& content) {
    fs::create_directories((origin() / path).parent_path());
    std::ofstream(origin() / path) << content;
  }

  void Build() {
    for (std::vector<std::string> arguments :
         {std::vector<std::string>{"init", "-q"},
          {"add", "."},
          {"-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "one"}}) {
      SubprocessSpec spec;
      spec.argv = {"git", "-C", origin().string()};
      spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
      ASSERT_TRUE(CheckSubprocess(spec, Deadline::In(absl::Seconds(60)), {}).ok());
    }
    absl::StatusOr<std::unique_ptr<Routine>> routine =
        MakeRootfsRoutineWith(request_, host_, executor_, std::unique_ptr<DebianRoot>(debian_));
    ASSERT_TRUE(routine.ok()) << routine.status();
    routine_ = *std::move(routine);
    RunRoutine(*routine_, run_);
  }

  // Of the packed result: "path\n" for each entry, or one file's content.
  std::string Tar(std::vector<std::string> arguments) {
    SubprocessSpec spec;
    spec.argv = {"tar", "-xzf", routine_->artifacts().at(0).path.string()};
    if (arguments.empty()) spec.argv[1] = "-tzf";
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    const absl::StatusOr<SubprocessResult> result = RunSubprocess(spec, Deadline::In(absl::Seconds(60)), {});
    return result.ok() ? result->output : "";
  }

  ScopedFolder folder_;
  RootfsRequest request_;
  RootfsHost host_;
  FakeExecutor executor_;
  FakeDebianRoot* debian_;
  std::unique_ptr<Routine> routine_;
  RoutineRun run_;
};

TEST_F(Rootfs, GoesThroughAllStepsAndPacksTheResult) {
  Write("configuration.yml",
        Header("packages: {greeter: {}}\npre_install_commands: [cat /etc/early > /etc/seen]\n"
               "post_install_commands: ['cat /etc/late >> /etc/seen', rm /etc/early]\n"));
  Write("pre_install_overlay/etc/early", "early\n");
  Write("post_install_overlay/etc/late", "late\n");
  Write("post_install_overlay/lib/firmware/x", "x\n");
  Build();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_THAT(run_.steps,
              ElementsAre("fetch_specs", "parse_packages", "translate_packages", "prepare_image",
                          "setup_environment", "reach_environment", "pre_install", "install_packages",
                          "post_install", "clean_up", "archive_rootfs", "pack_rootfs"));
  ASSERT_EQ(routine_->artifacts().size(), 3U);
  const std::string paths = Tar({});
  EXPECT_THAT(paths, HasSubstr("usr/lib/firmware/x"));
  EXPECT_THAT(paths, Not(HasSubstr(".rootwright")));
  EXPECT_THAT(paths, Not(HasSubstr("policy-rc.d")));
  EXPECT_THAT(paths, Not(HasSubstr("etc/early")));
  const nlohmann::json manifest = nlohmann::json::parse(*ReadFile(routine_->artifacts()[1].path));
  EXPECT_EQ(manifest["packages"][0]["name"], "greeter");
  EXPECT_EQ(manifest["source"]["commit"], run_.reporter.commit);
  EXPECT_EQ(manifest["artifacts"][0]["sha256"], routine_->artifacts()[0].sha256);
  EXPECT_EQ(run_.reporter.planned, 1);
}

TEST_F(Rootfs, MistakesInTheSpecificationStartNothing) {
  Write("configuration.yml", Header("packages: [greeter]\n"));
  Build();
  EXPECT_EQ(run_.steps.back(), "parse_packages");
  EXPECT_THAT(run_.result.failure, HasSubstr("configuration.yml:2:11: 'packages' must be a map"));
  EXPECT_EQ(executor_.images, 0);
}

TEST_F(Rootfs, WarningsOfTheSpecificationAreEvents) {
  Write("configuration.yml", Header("packages:\n  greeter: {}\n  greeter: {}\n"));
  Build();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_THAT(run_.reporter.warnings, ElementsAre("configuration.yml:4:3: 'greeter' stands here again"));
  EXPECT_THAT(run_.reporter.log, HasSubstr("this one counts, not the one on line 3"));
}

TEST_F(Rootfs, PortageSpecificationIsRefusedInOneSentence) {
  Write("configuration.yml", "packages:\n  app-misc/screen: {kw: {+: ~x86}}\n");
  request_.environment.architecture = Architecture::kArm64;
  Build();
  EXPECT_EQ(run_.steps.back(), "parse_packages");
  EXPECT_EQ(run_.result.failure, "configuration.yml: it is for Portage, for which this agent is not set up");
  EXPECT_THAT(
      run_.reporter.warnings,
      ElementsAre("configuration.yml:2:29: '~x86' is a keyword of another architecture; this one is arm64"));
  EXPECT_EQ(executor_.images, 0);
}

TEST_F(Rootfs, OverlayAttributesAreSetInTheTarget) {
  Write("configuration.yml", Header("packages: {greeter: {}}\noverlay_attributes:\n"
                                    "  pre_install_overlay/etc/early: {mode: '0600'}\n"
                                    "  post_install_overlay/etc/late: {mode: '4750'}\n"
                                    "post_install_commands: ['ls -l /etc/early /etc/late > /etc/modes']\n"));
  Write("pre_install_overlay/etc/early", "early\n");
  Write("post_install_overlay/etc/late", "late\n");
  Build();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_THAT(Tar({"-O", "etc/modes"}),
              testing::ContainsRegex("-rw------- .*/etc/early\n-rwsr-x--- .*/etc/late\n"));
}

TEST_F(Rootfs, OwnerThatTheTargetDoesNotHaveFailsTheStep) {
  Write("configuration.yml", Header("packages: {greeter: {}}\noverlay_attributes:\n"
                                    "  post_install_overlay/etc/late: {owner: nobody-of-that-name}\n"));
  Write("post_install_overlay/etc/late", "late\n");
  Build();
  EXPECT_EQ(run_.steps.back(), "post_install");
  EXPECT_THAT(run_.result.failure,
              HasSubstr("overlay_attributes of post_install_overlay cannot be set (exit 1)"));
}

TEST_F(Rootfs, OverlayLinkThatLeavesTheRootStartsNothing) {
  fs::create_directories(origin() / "post_install_overlay");
  fs::create_symlink("../../etc/passwd", origin() / "post_install_overlay/out");
  Build();
  EXPECT_THAT(run_.result.failure, HasSubstr("post_install_overlay/out: the link leaves the root"));
  EXPECT_EQ(executor_.environments, 0);
}

TEST_F(Rootfs, UnknownPackageIsNamedBeforeAMachineStarts) {
  Write("configuration.yml", Header("packages:\n  greeter: {}\n  missing-thing: {}\n"));
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_THAT(run_.result.failure,
              HasSubstr("configuration.yml:4:3: missing-thing: no such package in bookworm main"));
  EXPECT_EQ(executor_.environments, 0);
}

TEST_F(Rootfs, UnreachableMirrorIsInfrastructure) {
  debian_->resolve_status = absl::UnavailableError("fetch indexes: no route");
  Build();
  EXPECT_TRUE(absl::IsUnavailable(run_.status));
}

TEST_F(Rootfs, MissingPathInTheRepositoryIsTheUsersFailure) {
  request_.source.path = "nowhere";
  Build();
  EXPECT_TRUE(run_.status.ok());
  EXPECT_THAT(run_.result.failure, HasSubstr("no such folder: 'nowhere'"));
}

TEST_F(Rootfs, FailingCommandEndsTheBuildWithItsExitCode) {
  Write("configuration.yml", Header("packages: {greeter: {}}\npost_install_commands:\n  - echo so far\n"
                                    "  - 'echo reason >&2; exit 9'\n  - touch /never\n"));
  Build();
  EXPECT_EQ(run_.steps.back(), "post_install");
  EXPECT_EQ(run_.result.exit_code, 9);
  EXPECT_EQ(run_.result.failure, "the command on line 5 of configuration.yml failed (exit 9): reason");
  EXPECT_THAT(run_.reporter.log, HasSubstr("so far"));
  EXPECT_TRUE(routine_->artifacts().empty());
}

TEST_F(Rootfs, FailingMaintainerScriptNamesItsPackage) {
  debian_->dpkg =
      "#!/bin/sh\necho 'processing: configure: greeter' >&3\necho 'cannot greet'\n"
      "echo 'status: greeter : error : installed greeter package post-installation script subprocess "
      "returned error "
      "exit status 4' >&3\nexit 1\n";
  Build();
  EXPECT_EQ(run_.steps.back(), "install_packages");
  EXPECT_EQ(run_.result.exit_code, 4);
  EXPECT_THAT(run_.result.failure, HasSubstr("greeter: its post-installation script failed (exit 4)"));
}

TEST_F(Rootfs, HostKeysOfTheBuildAreRemovedAndThoseOfAnOverlayKept) {
  Write("configuration.yml", Header("packages: {greeter: {}}\npost_install_commands: ['echo made > "
                                    "/etc/ssh/ssh_host_rsa_key']\n"));
  Write("post_install_overlay/etc/ssh/ssh_host_ed25519_key", "mine\n");
  Build();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  const std::string paths = Tar({});
  EXPECT_THAT(paths, HasSubstr("ssh_host_ed25519_key"));
  EXPECT_THAT(paths, Not(HasSubstr("ssh_host_rsa_key")));
  EXPECT_EQ(run_.reporter.warnings.size(), 1U);
}

TEST_F(Rootfs, UnknownShortcutIsRefused) {
  request_.disabled_shortcuts = {"ssh-host-key"};
  const absl::StatusOr<std::unique_ptr<Routine>> routine =
      MakeRootfsRoutineWith(request_, host_, executor_, std::unique_ptr<DebianRoot>(debian_));
  EXPECT_TRUE(absl::IsInvalidArgument(routine.status()));
}

}  // namespace
}  // namespace rootwright
