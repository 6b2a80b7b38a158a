// The whole routine for Portage in a real container: the root that images/portage describes merges packages
// of the test repository. Needs root, libvirt, the mirror, pip's index, meson and curl; what is missing fails
// the test by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/portage/binary_package_cache.h"
#include "executors/rootfs/routine/rootfs_routine.h"
#include "tests/executors/container/container_host.h"
#include "tests/executors/rootfs/archive_listing.h"
#include "tests/executors/routine_run.h"
#include "tests/portage/portage_image.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

// The one root there is.
class OneRoot : public BuildRoots {
 public:
  explicit OneRoot(fs::path tree) : tree_(std::move(tree)) {}
  absl::StatusOr<BuildRoot> Prepare(absl::string_view, const EnvironmentSpec&, absl::Duration,
                                    const ProgressSink&, const OutputSink&, std::stop_token) override {
    return BuildRoot{"portage-amd64", std::string(64, 'a'), tree_, true};
  }

 private:
  const fs::path tree_;
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
    fs::create_directories(request_.environment.private_folder());
    request_.boot_limit = absl::Seconds(60);
    request_.source.url = origin_.string();
    request_.outputs = {PackFormat::kTar};
    host_.programs = Variable("ROOTWRIGHT_BIN", "bin");
    host_.build_roots = roots_.get();
    host_.distfile_cache = Variable("ROOTWRIGHT_CACHE", "/var/cache/rootwright") + "/distfiles";
    host_.repositories = {
        {"rootwright-test", fs::canonical(Variable("ROOTWRIGHT_SOURCE", ".")) / "tests/portage/repository"}};
  }
  void TearDown() override {
    routine_.reset();
    fs::remove_all(request_.environment.work_folder);
  }

  void Write(const std::string& path, const std::string& content) {
    fs::create_directories((origin_ / path).parent_path());
    std::ofstream(origin_ / path) << content;
  }
  void Configure(const std::string& mode, const std::string& rest) {
    Write("configuration.yml", absl::StrCat("package_manager: {portage: {root_mode: ", mode, "}}\n", rest));
  }

  // A package of the specification's own repository whose source file is to be had at `url` alone.
  void OwnPackage(const std::string& url, int64_t size) {
    Configure("separate", "packages:\n  app-own/package: {}\n");
    const std::string own = "pre_install_overlay/var/db/repos/own/";
    Write(own + "profiles/repo_name", "own\n");
    Write(own + "profiles/categories", "app-own\n");
    Write(own + "metadata/layout.conf", "masters = rootwright-test\nthin-manifests = true\n");
    Write(own + "app-own/package/package-1.ebuild",
          absl::StrCat("EAPI=8\nDESCRIPTION=x\nLICENSE=BSD\nSLOT=0\nKEYWORDS=amd64\nSRC_URI=", url, "\n"));
    Write(own + "app-own/package/Manifest",
          absl::StrCat("DIST ", fs::path(url).filename().string(), " ", size, " SHA512 ",
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
    fs::remove_all(request_.environment.work_folder);
    const EnvironmentSpec fresh = ContainerHost::Get().NewBuild();
    request_.environment.build_id = fresh.build_id;
    request_.environment.work_folder = fresh.work_folder;
    fs::create_directories(request_.environment.private_folder());
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

  static inline std::unique_ptr<ScopedFolder> folder_;
  static inline std::unique_ptr<OneRoot> roots_;
  static inline int count_ = 0;
  fs::path origin_;
  RootfsRequest request_;
  RootfsHost host_;
  std::unique_ptr<Routine> routine_;
  RoutineRun run_;
};

TEST_F(PortageRoutine, MakesALeanProductBesideTheBuildRoot) {
  Configure("separate",
            "packages:\n  dev-libs/popt: {}\n  app-misc/figlet: {}\n"
            "pre_install_commands: ['test -d $ROOT; echo early > $ROOT/etc-early']\n");
  Write("post_install_overlay/etc/motd", "hello\n");
  Build();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_THAT(run_.steps,
              ElementsAre("fetch_specs", "parse_packages", "prepare_image", "setup_environment",
                          "reach_environment", "translate_packages", "pre_install", "install_packages",
                          "post_install", "clean_up", "archive_rootfs", "pack_rootfs"));
  const std::map<std::string, std::string> entries = Entries();
  for (const char* path : {"usr/lib/libpopt.so", "usr/bin/figlet", "etc/motd", "etc-early"})
    EXPECT_TRUE(entries.count(path) != 0) << path;
  // Nothing of the build root, and nothing of the building.
  for (const char* path : {"usr/bin/emerge", "usr/bin/gcc", "var/tmp/portage", "etc/portage/make.profile"})
    EXPECT_TRUE(entries.count(path) == 0) << path;
  for (const auto& [path, entry] : entries) EXPECT_THAT(path, Not(HasSubstr("portage_lockfile")));
  const nlohmann::json manifest = Json("manifest.json", routine_->artifacts());
  EXPECT_EQ(manifest["package_manager"]["name"], "portage");
  EXPECT_EQ(manifest["build_root"]["name"], "portage-amd64");
  std::vector<std::string> names;
  for (const nlohmann::json& package : manifest["packages"]) names.push_back(package["name"]);
  EXPECT_THAT(names, testing::IsSupersetOf({"app-misc/figlet", "dev-libs/popt"}));
  const nlohmann::json plan = Json("plan.json", routine_->artifacts());
  EXPECT_EQ(static_cast<int>(plan["packages"].size()), run_.reporter.planned);
  EXPECT_EQ(plan["packages"].size(), names.size());
}

TEST_F(PortageRoutine, TakesFromTheCacheWhatAnEarlierBuildMade) {
  auto cache = BinaryPackageCache::Create(
      {folder_->path() / "cache", int64_t{1} << 30, folder_->path() / "state/key.pem", {}});
  ASSERT_TRUE(cache.ok()) << cache.status();
  host_.binary_packages = *std::move(cache);
  host_.build_times = folder_->path() / "build-times";
  Configure("separate", "packages:\n  dev-libs/popt: {}\n  dev-libs/cjson: {}\n");
  Build();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_EQ(run_.reporter.binary, 0);
  const std::map<std::string, std::string> cold = Entries();

  Again();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_GT(run_.reporter.planned, 1);
  EXPECT_EQ(run_.reporter.binary, run_.reporter.planned);
  EXPECT_THAT(run_.reporter.warnings, testing::IsEmpty());
  for (const nlohmann::json& package : Json("manifest.json", routine_->artifacts())["packages"])
    EXPECT_EQ(package["from"], "binary") << package["name"];
  bool estimated = false;
  for (const ProgressUpdate& update : run_.reporter.progress)
    estimated = estimated || update.estimate.has_value();
  EXPECT_FALSE(estimated) << "nothing was merged as binary before";
  for (const auto& [path, entry] : cold) EXPECT_EQ(Entries().count(path), 1U) << path;

  Again();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  for (const ProgressUpdate& update : run_.reporter.progress)
    estimated = estimated || update.estimate.has_value();
  EXPECT_TRUE(estimated);

  request_.use_binary_packages = false;
  Again();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_EQ(run_.reporter.binary, 0);
}

TEST_F(PortageRoutine, InPlaceTheBuildRootBecomesTheProduct) {
  Configure("in_place",
            "packages:\n  app-admin/logrotate: {}\npost_install_commands: ['logrotate --version']\n");
  fs::create_directories(origin_ / "pre_install_overlay/etc/portage");
  fs::create_symlink("/var/db/repos/rootwright-test/profiles/amd64-in-place",
                     origin_ / "pre_install_overlay/etc/portage/make.profile");
  Write("post_install_overlay/etc/motd", "hello\n");
  Build();
  ASSERT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_THAT(run_.reporter.log, HasSubstr("logrotate 3.21.0"));
  const std::map<std::string, std::string> entries = Entries();
  for (const char* path : {"usr/sbin/logrotate", "usr/bin/emerge", "etc/motd"})
    EXPECT_TRUE(entries.count(path) != 0) << path;
  for (const char* path : {"var/tmp/portage", "var/log/emerge.log", "run/rootwright"})
    EXPECT_TRUE(entries.count(path) == 0) << path;
}

TEST_F(PortageRoutine, EachPackageThatFailsIsNamedAndLeavesItsLog) {
  request_.keep_going = true;
  Configure("separate",
            "packages:\n  app-test/fails-to-configure: {}\n  app-test/fails-to-compile: {}\n"
            "  app-test/fails-to-install: {}\n  app-test/fails-in-postinst: {}\n  app-misc/figlet: {}\n");
  Build();
  EXPECT_EQ(run_.steps.back(), "install_packages");
  EXPECT_THAT(
      run_.result.failure,
      AllOf(HasSubstr("app-test/fails-to-configure-1 did not configure: configure found no flux capacitor"),
            HasSubstr("app-test/fails-to-compile-1 did not compile: emake failed: greeter.c:1:25: error:"),
            HasSubstr("app-test/fails-to-install-1 did not install: "),
            HasSubstr("app-test/fails-in-postinst-1 was merged, but its pkg_postinst failed"),
            HasSubstr("its log is app-test_fails-to-compile-1.log")));
  EXPECT_NE(run_.result.exit_code, 0);
  std::vector<std::string> records;
  for (const ArtifactFile& record : routine_->failure_artifacts()) records.push_back(record.name);
  EXPECT_THAT(records, testing::UnorderedElementsAre("plan.json", "app-test_fails-to-configure-1.log",
                                                     "app-test_fails-to-compile-1.log",
                                                     "app-test_fails-to-install-1.log",
                                                     "app-test_fails-in-postinst-1.log"));
  // It went on with the others, and told how far it was.
  EXPECT_THAT(run_.reporter.log, HasSubstr("app-misc/figlet-2.2.5"));
  std::vector<std::string> phases;
  for (const ProgressUpdate& update : run_.reporter.progress) phases.push_back(update.phase);
  EXPECT_THAT(phases, testing::Contains("installed"));
}

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
            "configuration.yml:3:3: app-misc/figlet: app-test/blocks-figlet-1 cannot be beside "
            "app-misc/figlet-2.2.5; wanted by app-test/blocks-figlet, for app-misc/figlet");
}

TEST_F(PortageRoutine, PackagesThatNeedEachOtherToBeBuiltAreToldWithTheirPlace) {
  Configure("separate", "packages:\n  app-misc/figlet: {}\n  app-test/circle-a: {}\n");
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_THAT(run_.result.failure,
              StartsWith("configuration.yml:4:3: app-test/circle-a: need each other to be built: "
                         "app-test/circle-a-1, app-test/circle-b-1; wanted by app-test/circle-a"));
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

TEST_F(PortageRoutine, ASourceFileThatNoHostHasIsNamedWithEachOfThem) {
  // Nobody listens there.
  OwnPackage("http://127.0.0.1:9/lost-1.tar.gz", 7);
  Build();
  EXPECT_EQ(run_.steps.back(), "translate_packages");
  EXPECT_TRUE(absl::IsUnavailable(run_.status)) << "it may be there another time";
  EXPECT_THAT(
      std::string(run_.status.message()),
      StartsWith(
          "source file of app-own/package-1: lost-1.tar.gz: 127.0.0.1: http://127.0.0.1:9/lost-1.tar.gz: "
          "curl: (7) Failed to connect to 127.0.0.1 port 9"));
}

TEST_F(PortageRoutine, TwoBuildsOfOneSpecificationAtOnceShareTheCachesAndBothSucceed) {
  auto cache = BinaryPackageCache::Create(
      {folder_->path() / "shared-cache", int64_t{1} << 30, folder_->path() / "shared-state/key.pem", {}});
  ASSERT_TRUE(cache.ok()) << cache.status();
  host_.binary_packages = *std::move(cache);
  const fs::path distfiles = folder_->path() / "shared-distfiles";
  host_.distfile_cache = distfiles;
  Configure("separate", "packages:\n  dev-libs/popt: {}\n  app-misc/figlet: {}\n");
  RootfsRequest twin = request_;
  const EnvironmentSpec fresh = ContainerHost::Get().NewBuild();
  twin.environment.build_id = fresh.build_id;
  twin.environment.work_folder = fresh.work_folder;
  fs::create_directories(twin.environment.private_folder());
  RoutineRun beside;
  std::unique_ptr<Routine> other;
  std::jthread runner;
  run_.reporter.on_progress = [&](const ProgressUpdate&) {
    if (runner.joinable()) return;
    other = *MakeRootfsRoutine(twin, host_, ContainerHost::Get().executor());
    runner = std::jthread([&] { RunRoutine(*other, beside); });
  };
  Build();
  ASSERT_TRUE(runner.joinable());
  runner.join();
  EXPECT_TRUE(other->EndEnvironment(absl::Seconds(5)).ok());
  EXPECT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_TRUE(beside.ok()) << beside.Describe();
  EXPECT_EQ(ListArchive(other->artifacts().at(0).path).value_or(std::map<std::string, std::string>()).size(),
            Entries().size());
  other.reset();
  fs::remove_all(fresh.work_folder);
  // What they left in the caches is whole.
  Again();
  EXPECT_TRUE(run_.ok()) << run_.Describe();
  EXPECT_EQ(run_.reporter.binary, run_.reporter.planned);
  EXPECT_THAT(run_.reporter.warnings, testing::IsEmpty());
}

TEST_F(PortageRoutine, StoppedWhileItMergesItEndsAtOnceAndLeavesNothing) {
  Configure("separate", "packages:\n  app-misc/hello: {}\n");
  std::stop_source stop;
  run_.reporter.on_progress = [&](const ProgressUpdate& update) {
    if (update.item == "app-misc/hello-2.10" && update.phase == "configuring") stop.request_stop();
  };
  // Build sees to it that the container ends; its host, that nothing is left.
  Build(stop.get_token());
  EXPECT_EQ(run_.steps.back(), "install_packages");
  EXPECT_TRUE(absl::IsCancelled(run_.status)) << run_.Describe();
}

}  // namespace
}  // namespace rootwright
