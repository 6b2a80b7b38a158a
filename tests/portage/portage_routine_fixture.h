// The whole routine for Portage in a real container: the root that images/portage describes merges packages
// of the test repository. Needs root, libvirt, the mirror, pip's index, meson and curl; what is missing fails
// the test by name.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/routine/rootfs_routine.h"
#include "tests/executors/container/container_host.h"
#include "tests/executors/rootfs/archive_listing.h"
#include "tests/executors/routine_run.h"
#include "tests/portage/portage_image.h"

namespace rootwright {

inline std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

// The one root there is.
class OneRoot : public BuildRoots {
 public:
  explicit OneRoot(std::filesystem::path tree) : tree_(std::move(tree)) {}
  absl::StatusOr<BuildRoot> Prepare(absl::string_view, const EnvironmentSpec&, absl::Duration,
                                    const ProgressSink&, const OutputSink&, std::stop_token) override {
    return BuildRoot{"portage-amd64", std::string(64, 'a'), tree_, true};
  }

 private:
  const std::filesystem::path tree_;
};

class PortageRoutine : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<ScopedFolder>(
        *ScopedFolder::Create(Variable("TMPDIR", "/var/tmp"), "portage-routine-"));
    const absl::Status made = UnpackPortageImage(folder_->path() / "image");
    ASSERT_TRUE(made.ok()) << made;
    roots_ = std::make_unique<OneRoot>(folder_->path() / "image");
  }
  static void TearDownTestSuite() {
    roots_.reset();
    folder_.reset();
  }

  void SetUp() override {
    ASSERT_NE(roots_, nullptr);
    origin_ = folder_->path() / absl::StrCat("origin-", ++count_);
    ContainerHost& host = ContainerHost::Get();
    request_.environment = host.NewBuild();
    request_.environment.memory_bytes = int64_t{1} << 30;
    request_.environment.disk_bytes = int64_t{6} << 30;
    request_.environment.vcpus = 2;
    std::filesystem::create_directories(request_.environment.private_folder());
    request_.boot_limit = absl::Seconds(60);
    request_.source.url = origin_.string();
    request_.outputs = {PackFormat::kTar};
    host_.programs = Variable("ROOTWRIGHT_BIN", "bin");
    host_.build_roots = roots_.get();
    host_.distfile_cache = Variable("ROOTWRIGHT_CACHE", "/var/cache/rootwright") + "/distfiles";
    host_.repositories = {{"rootwright-test", std::filesystem::canonical(Variable("ROOTWRIGHT_SOURCE", ".")) /
                                                  "tests/portage/repository"}};
  }
  void TearDown() override {
    routine_.reset();
    std::filesystem::remove_all(request_.environment.work_folder);
  }

  void Write(const std::string& path, const std::string& content) {
    std::filesystem::create_directories((origin_ / path).parent_path());
    std::ofstream(origin_ / path) << content;
  }
  void Configure(const std::string& mode, const std::string& rest) {
    Write("configuration.yml", absl::StrCat("package_manager: {portage: {root_mode: ", mode, "}}\n", rest));
  }

  // The package app-own/package of a repository that the specification brings along.
  void OwnEbuild(const std::string& version, const std::string& urls) {
    Write(kOwn + "profiles/repo_name", "own\n");
    Write(kOwn + "profiles/categories", "app-own\n");
    Write(kOwn + "metadata/layout.conf", "masters = rootwright-test\nthin-manifests = true\n");
    Write(
        absl::StrCat(kOwn, "app-own/package/package-", version, ".ebuild"),
        absl::StrCat("EAPI=8\nDESCRIPTION=x\nLICENSE=BSD\nSLOT=0\nKEYWORDS=amd64\nSRC_URI=\"", urls, "\"\n"));
  }

  // Its source file, of so many bytes, is to be had at `urls` (separated by blanks) alone.
  void OwnPackage(const std::string& urls, int64_t size) {
    Configure("separate", "packages:\n  app-own/package: {}\n");
    OwnEbuild("1", urls);
    Write(kOwn + "app-own/package/Manifest",
          absl::StrCat("DIST ", std::filesystem::path(urls).filename().string(), " ", size, " SHA512 ",
                       std::string(128, 'b'), " BLAKE2B ", std::string(128, 'a'), "\n"));
  }

  void Build(std::stop_token stop = {}) {
    for (std::vector<std::string> arguments : {std::vector<std::string>{"init", "-q"},
                                               {"add", "."},
                                               {"-c", "user.name=T", "-c", "user.email=t@example.org",
                                                "commit", "-q", "--allow-empty", "-m", "one"}}) {
      SubprocessSpec spec;
      spec.argv = {"git", "-C", origin_.string()};
      spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
      ASSERT_TRUE(CheckSubprocess(spec, Deadline::In(absl::Seconds(60)), {}).ok());
    }
    absl::StatusOr<std::unique_ptr<Routine>> routine =
        MakeRootfsRoutine(request_, host_, ContainerHost::Get().executor());
    ASSERT_TRUE(routine.ok()) << routine.status();
    routine_ = *std::move(routine);
    RunRoutine(*routine_, run_, std::move(stop));
    const absl::Status ended = routine_->EndEnvironment(absl::Seconds(5));
    EXPECT_TRUE(ended.ok()) << ended;
  }

  // The same specification as a new build.
  void Again() {
    routine_.reset();
    std::filesystem::remove_all(request_.environment.work_folder);
    const EnvironmentSpec fresh = ContainerHost::Get().NewBuild();
    request_.environment.build_id = fresh.build_id;
    request_.environment.work_folder = fresh.work_folder;
    std::filesystem::create_directories(request_.environment.private_folder());
    run_ = {};
    Build();
  }

  std::map<std::string, std::string> Entries() {
    return ListArchive(routine_->artifacts().at(0).path).value_or(std::map<std::string, std::string>());
  }
  nlohmann::json Json(const std::string& name, const std::vector<ArtifactFile>& artifacts) {
    for (const ArtifactFile& artifact : artifacts)
      if (artifact.name == name) return nlohmann::json::parse(*ReadFile(artifact.path));
    return {};
  }

  static inline const std::string kOwn = "pre_install_overlay/var/db/repos/own/";
  static inline std::unique_ptr<ScopedFolder> folder_;
  static inline std::unique_ptr<OneRoot> roots_;
  static inline int count_ = 0;
  std::filesystem::path origin_;
  RootfsRequest request_;
  RootfsHost host_;
  std::unique_ptr<Routine> routine_;
  RoutineRun run_;
};

}  // namespace rootwright
