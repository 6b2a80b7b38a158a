// What a build of Portage packages makes, and how one ends that has begun to (portage_routine_fixture.h).
#include <thread>

#include "executors/rootfs/portage/binary_package_cache.h"
#include "executors/rootfs/portage/stream_digests.h"
#include "tests/portage/portage_routine_fixture.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// How many the cache has, each of which must be what its name says.
int WholeDistfiles(const fs::path& cache) {
  int files = 0;
  for (const fs::directory_entry& file : fs::directory_iterator(cache / "files")) {
    StreamDigests digests({"SHA512"});
    digests.Update(*ReadFile(file.path()));
    EXPECT_EQ(file.path().filename().string(), absl::StrCat("sha512-", digests.Finish().at("SHA512")));
    ++files;
  }
  return files;
}

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
  // Neither had anything of the other.
  EXPECT_EQ(run_.reporter.binary + beside.reporter.binary, 0);
  // What they left in the caches is whole.
  EXPECT_EQ(WholeDistfiles(distfiles), 2);
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
