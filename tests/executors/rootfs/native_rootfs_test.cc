// The whole routine on real packages, natively: everything but the machine. Needs the
// network and root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/installed_packages.h"
#include "executors/rootfs/rootfs_routine.h"
#include "tests/executors/fake_environment.h"
#include "tests/executors/routine_run.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

void Execute(const std::vector<std::string>& argv) {
  SubprocessSpec spec;
  spec.argv = argv;
  const absl::StatusOr<SubprocessResult> result = CheckSubprocess(spec, Deadline::In(absl::Minutes(10)), {});
  ASSERT_TRUE(result.ok()) << result.status();
}

class NativeRootfs : public testing::Test {
 protected:
  NativeRootfs() : folder_(*ScopedFolder::Create(Variable("TMPDIR", "/var/tmp"), "native-rootfs-")) {
    const std::string origin = (folder_.path() / "origin").string();
    Execute({"cp", "-r", Variable("ROOTWRIGHT_SOURCE", ".") + "/examples/specs/arm64-minimal", origin});
    Execute({"git", "-C", origin, "init", "--quiet"});
    Execute({"git", "-C", origin, "add", "."});
    Execute({"git", "-C", origin, "-c", "user.name=Test", "-c", "user.email=test@example.org", "commit",
             "-qm", "one"});
    request_.environment.build_id = "0123abcd";
    request_.environment.architecture = Architecture::kAmd64;
    request_.environment.work_folder = folder_.path() / "work";
    request_.boot_limit = absl::Seconds(60);
    request_.source.url = origin;
    request_.outputs = {PackFormat::kTarZst};
    fs::create_directories(request_.environment.work_folder);
    host_.package_cache = Variable("ROOTWRIGHT_TEST_CACHE", (folder_.path() / "cache").string());
    host_.apt_mirror = "http://deb.debian.org/debian";
    host_.apt_keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    host_.unpack_program = Variable("ROOTWRIGHT_BIN", "bin") + "/rootwright-unpack";
  }

  ScopedFolder folder_;
  RootfsRequest request_;
  RootfsHost host_;
  FakeExecutor executor_;
};

TEST_F(NativeRootfs, ExampleIsBuiltWhole) {
  if (const std::string off = Variable("ROOTWRIGHT_DISABLE_SHORTCUTS", ""); !off.empty()) {
    request_.disabled_shortcuts.insert(off);
  }
  absl::StatusOr<std::unique_ptr<Routine>> routine = MakeRootfsRoutine(request_, host_, executor_);
  ASSERT_TRUE(routine.ok()) << routine.status();
  RoutineRun run;
  RunRoutine(**routine, run);
  ASSERT_TRUE(run.ok()) << run.Describe();
  ASSERT_EQ((*routine)->artifacts().size(), 3U);
  const absl::StatusOr<std::string> text = ReadFile((*routine)->artifacts()[1].path);
  ASSERT_TRUE(text.ok());
  const nlohmann::json manifest = nlohmann::json::parse(*text);
  EXPECT_EQ(static_cast<int>(manifest["packages"].size()), run.reporter.planned);
  EXPECT_EQ(manifest["source"]["commit"], run.reporter.commit);
  const absl::StatusOr<std::vector<InstalledPackage>> packages =
      ReadDpkgStatus(request_.environment.work_folder / "tree");
  ASSERT_TRUE(packages.ok()) << packages.status();
  for (const InstalledPackage& package : *packages)
    EXPECT_EQ(package.status, "install ok installed") << package.name;
  if (const std::string keep = Variable("ROOTWRIGHT_KEEP_RESULT", ""); !keep.empty()) {
    for (const ArtifactFile& artifact : (*routine)->artifacts())
      Execute({"cp", artifact.path.string(), keep});
    std::ofstream(fs::path(keep) / "log") << run.reporter.log;
  }
  const fs::path archive = (*routine)->artifacts()[0].path;
  ASSERT_TRUE((*routine)->CleanUp(absl::ZeroDuration()).ok());
  EXPECT_TRUE(fs::exists(archive));
  EXPECT_FALSE(fs::exists(request_.environment.work_folder / "tree"));
}

}  // namespace
}  // namespace rootwright
