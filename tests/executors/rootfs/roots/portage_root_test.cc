#include "executors/rootfs/roots/portage_root.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/roots/host_build_roots.h"
#include "tests/executors/fake_environment.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class PortageRootTest : public testing::Test {
 protected:
  void Git(std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-C", (folder_.path() / "spec").string(), "-c", "user.name=x", "-c",
                                 "user.email=x@localhost"});
    SubprocessSpec spec;
    spec.argv = std::move(words);
    const auto done = CheckSubprocess(spec, Deadline::In(absl::Seconds(20)), {});
    ASSERT_TRUE(done.ok()) << done.status();
  }
  void MakeSpecification() {
    fs::create_directories(folder_.path() / "spec");
    ASSERT_TRUE(WriteFileAtomically(folder_.path() / "spec/portage.txt",
                                    "portage==3.0.83 --hash=sha256:" + std::string(64, 'f') + "\n")
                    .ok());
    Git({"init", "-q"});
    Git({"add", "-A"});
    Git({"commit", "-q", "-m", "x"});
  }
  EnvironmentSpec Waiting() const {
    EnvironmentSpec spec;
    spec.build_id = std::string(64, '7');
    spec.architecture = HostArchitecture();
    spec.disk_bytes = 1 << 30;
    spec.work_folder = folder_.path() / "work";
    return spec;
  }
  absl::StatusOr<BuildRoot> Prepare(absl::string_view name) {
    return roots_.Prepare(
        name, Waiting(), absl::Seconds(10), {},
        [&](OutputStream, absl::string_view text) { log_.append(text.data(), text.size()); },
        stop_.get_token());
  }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "portage-root-");
  FakeExecutor machines_;
  FakeExecutor containers_;
  HostBuildRoots roots_{{.store = folder_.path() / "store", .specification = folder_.path() / "spec"},
                        {},
                        machines_,
                        containers_};
  std::stop_source stop_;
  std::string log_;
};

TEST_F(PortageRootTest, AMissingSpecificationSaysWhatToDo) {
  const absl::Status missing = Prepare("").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(missing)) << missing;
  EXPECT_THAT(std::string(missing.message()), HasSubstr("images/portage/make-specification"));
  const HostCheck check = roots_.Check();
  EXPECT_EQ(check.result, HostCheck::Result::kDegraded);
  EXPECT_THAT(check.finding, HasSubstr("none yet"));
}

TEST_F(PortageRootTest, TheSpecificationIsKnownByItsCommit) {
  MakeSpecification();
  const auto specification = ReadPortageSpecification(folder_.path() / "spec", {});
  ASSERT_TRUE(specification.ok()) << specification.status();
  EXPECT_EQ(specification->commit.size(), 40U);
  EXPECT_EQ(specification->archive_sha256, std::string(64, 'f'));
  EXPECT_EQ(roots_.Check().result, HostCheck::Result::kOk);
  // A folder in another repository is none.
  fs::create_directories(folder_.path() / "spec/below");
  fs::copy_file(folder_.path() / "spec/portage.txt", folder_.path() / "spec/below/portage.txt");
  EXPECT_THAT(std::string(ReadPortageSpecification(folder_.path() / "spec/below", {}).status().message()),
              HasSubstr("not a git repository"));
}

TEST_F(PortageRootTest, AFailureLeavesNothing) {
  MakeSpecification();
  // It has no configuration.yml.
  const absl::Status failed = Prepare("").status();
  EXPECT_TRUE(absl::IsInternal(failed)) << failed;
  EXPECT_THAT(std::string(failed.message()), HasSubstr("parse_packages"));
  EXPECT_THAT(log_, HasSubstr("fetch_specs (1 of 12)"));
  EXPECT_FALSE(fs::exists(folder_.path() / "work/build-root"));
  EXPECT_TRUE(roots_.store().List()->empty());
}

TEST_F(PortageRootTest, AStopIsHeeded) {
  MakeSpecification();
  stop_.request_stop();
  EXPECT_TRUE(absl::IsCancelled(Prepare("").status()));
  EXPECT_FALSE(fs::exists(folder_.path() / "work/build-root"));
}

TEST_F(PortageRootTest, ANameIsLookedUp) {
  const absl::Status unknown = Prepare("stage3").status();
  EXPECT_TRUE(absl::IsNotFound(unknown)) << unknown;
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("rootwright image import"));
  const auto maker = [](const fs::path&) -> absl::StatusOr<ImageDescription> { return ImageDescription{}; };
  const auto import = [&](const std::string& name, Architecture architecture) {
    const RootRecipe recipe{
        .origin = RootRecipe::Origin::kImported, .name = name, .architecture = architecture};
    ASSERT_TRUE(roots_.store().FindOrMake(recipe, maker, {}, {}).ok());
  };
  import("ours", HostArchitecture());
  import("other", Architecture::kRiscv64);
  EXPECT_TRUE(Prepare("ours").ok());
  const absl::Status other = Prepare("other").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(other));
  EXPECT_THAT(std::string(other.message()), HasSubstr("is for riscv64"));
  EXPECT_EQ(machines_.environments + containers_.environments, 0);
}

}  // namespace
}  // namespace rootwright
