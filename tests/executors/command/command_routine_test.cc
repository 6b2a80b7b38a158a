#include "executors/command/command_routine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/subprocess.h"
#include "tests/executors/fake_environment.h"
#include "tests/executors/routine_run.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Command : public testing::Test {
 protected:
  Command() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "command-")) {
    request_.environment.build_id = "0123abcd";
    request_.environment.work_folder = folder_.path() / "work";
    request_.environment.disk_bytes = 1 << 20;
    request_.boot_limit = absl::Seconds(30);
    fs::create_directories(request_.environment.work_folder);
  }

  void Build(const std::string& script) {
    request_.argv = {"/bin/sh", "-c", script};
    routine_ = MakeCommandRoutine(request_, executor_);
    RunRoutine(*routine_, run_);
  }

  void MakeOrigin() {
    const fs::path origin = folder_.path() / "origin";
    fs::create_directories(origin / "sub");
    std::ofstream(origin / "sub/run.sh") << "#!/bin/sh\ncat data\n";
    fs::permissions(origin / "sub/run.sh", fs::perms::owner_all);
    std::ofstream(origin / "sub/file") << "from the source\n";
    fs::create_symlink("file", origin / "sub/data");
    for (std::vector<std::string> arguments :
         {std::vector<std::string>{"init", "-q"},
          {"add", "."},
          {"-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "-qm", "one"}}) {
      SubprocessSpec spec;
      spec.argv = {"git", "-C", origin.string()};
      spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
      ASSERT_TRUE(CheckSubprocess(spec, Deadline::In(absl::Seconds(60)), {}).ok());
    }
    request_.source = GitSource{origin.string(), "", "sub"};
  }

  ScopedFolder folder_;
  CommandRequest request_;
  FakeExecutor executor_;
  std::unique_ptr<Routine> routine_;
  RoutineRun run_;
};

TEST_F(Command, RunsInTheEnvironmentAndReturnsFiles) {
  request_.variables = {{"GREETING", "hello"}};
  request_.collect = {"out/result", "/tmp/other"};
  Build("mkdir out; echo $GREETING > out/result; echo 2 > /tmp/other; echo said");
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_THAT(run_.steps, ElementsAre("prepare_image", "setup_environment", "reach_environment",
                                      "run_command", "collect_files"));
  EXPECT_THAT(run_.reporter.log, HasSubstr("said\n"));
  ASSERT_EQ(routine_->artifacts().size(), 2U);
  EXPECT_EQ(routine_->artifacts()[0].name, "result");
  EXPECT_EQ(*ReadFile(routine_->artifacts()[0].path), "hello\n");
}

TEST_F(Command, SourceIsTheWorkingFolder) {
  MakeOrigin();
  Build("./run.sh && test ! -e .git");
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_THAT(run_.reporter.log, HasSubstr("from the source"));
  EXPECT_EQ(run_.reporter.commit.size(), 40U);
}

TEST_F(Command, FailingCommandIsTheUsersFailure) {
  request_.collect = {"x"};
  Build("echo partly; exit 7");
  EXPECT_TRUE(run_.status.ok());
  EXPECT_EQ(run_.result.exit_code, 7);
  EXPECT_THAT(run_.result.failure, HasSubstr("exit 7"));
  EXPECT_EQ(run_.steps.back(), "run_command");
  EXPECT_THAT(run_.reporter.log, HasSubstr("partly"));
}

TEST_F(Command, MissingFileIsNamedAndNothingIsReturned) {
  request_.collect = {"here", "missing"};
  Build("echo 1 > here");
  EXPECT_THAT(run_.result.failure, HasSubstr("missing: the command did not make it"));
  EXPECT_TRUE(routine_->artifacts().empty());
}

TEST_F(Command, FileBeyondTheDiskLimitIsNamedAndNothingIsReturned) {
  request_.collect = {"here", "large"};
  Build("echo 1 > here; head -c 1048577 /dev/zero > large");
  EXPECT_EQ(run_.result.failure, "large: larger than the build's disk limit of 1.0 MiB");
  EXPECT_TRUE(routine_->artifacts().empty());
  EXPECT_FALSE(fs::exists(request_.environment.private_folder() / "artifacts"));
}

TEST_F(Command, MissingRepositoryFailsBeforeAnEnvironmentIsMade) {
  request_.source = GitSource{"/nonexistent/repository", "", ""};
  Build("true");
  EXPECT_THAT(run_.result.failure, HasSubstr("no such repository"));
  EXPECT_EQ(executor_.environments, 0);
}

TEST_F(Command, ImageErrorIsInfrastructure) {
  executor_.image_status = absl::UnavailableError("image: no mirror");
  Build("true");
  EXPECT_TRUE(absl::IsUnavailable(run_.status));
}

}  // namespace
}  // namespace rootwright
