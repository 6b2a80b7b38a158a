// The whole routine on real packages, natively: everything but the machine. The example is built twice, with
// every host shortcut and with none, and the results have to be the same to the byte. Needs root, the mirror
// and what the shortcuts need (Debian 12's Python and ssh-keygen); what is missing fails the test by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/subprocess.h"
#include "executors/rootfs/apt/installed_packages.h"
#include "executors/rootfs/routine/rootfs_routine.h"
#include "executors/rootfs/shortcuts/shortcut.h"
#include "tests/executors/fake_environment.h"
#include "tests/executors/rootfs/archive_listing.h"
#include "tests/executors/routine_run.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

constexpr char kMirror[] = "http://deb.debian.org/debian";

std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

absl::Status Execute(const std::vector<std::string>& argv) {
  SubprocessSpec spec;
  spec.argv = argv;
  return CheckSubprocess(spec, Deadline::In(absl::Minutes(1)), {}).status();
}

// A build and all of it that stays.
struct Built {
  bool whole = false;
  RoutineRun run;
  std::string archive_sha256;
  std::map<std::string, std::string> entries;
  nlohmann::json manifest;
  std::vector<InstalledPackage> packages;

  std::vector<std::string> shortcuts() const {
    std::vector<std::string> names;
    for (const nlohmann::json& used : manifest["shortcuts"]) names.push_back(used["name"]);
    return names;
  }
};

class NativeRootfs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(geteuid(), 0U) << "this test needs root: it makes devices, owners and mounts";
    for (const char* program : {"/usr/bin/python3.11", "/usr/bin/ssh-keygen"})
      ASSERT_TRUE(fs::exists(program)) << program << " is missing: apt-get install python3 openssh-client";
    folder_ = std::make_unique<ScopedFolder>(
        *ScopedFolder::Create(Variable("TMPDIR", "/var/tmp"), "native-rootfs-"));
    const absl::Status reached = Execute({"/usr/lib/apt/apt-helper", "download-file",
                                          absl::StrCat(kMirror, "/dists/bookworm/InRelease"),
                                          (folder_->path() / "InRelease").string()});
    ASSERT_TRUE(reached.ok()) << "this test needs the network: " << kMirror << ": " << reached;
    MakeOrigin();
    // The packages' scripts write today's date into /etc/shadow: both builds on one day.
    do {
      day_ = Today();
      with_ = Build("0000aaaa", {});
      without_ = Build("0000bbbb", {"all"});
    } while (day_ != Today() && with_->whole && without_->whole);
  }

  static void TearDownTestSuite() {
    with_.reset();
    without_.reset();
    folder_.reset();
  }

  void SetUp() override {
    for (const Built* built : {with_.get(), without_.get()}) {
      ASSERT_NE(built, nullptr);
      ASSERT_TRUE(built->whole) << built->run.Describe();
    }
  }

  static int64_t Today() { return absl::ToUnixSeconds(Clock::Real().Wall()) / 86400; }

  static void MakeOrigin() {
    const std::string origin = (folder_->path() / "origin").string();
    const std::string example = Variable("ROOTWRIGHT_SOURCE", ".") + "/examples/specs/arm64-minimal";
    for (const std::vector<std::string>& argv :
         std::vector<std::vector<std::string>>{{"cp", "-r", example, origin},
                                               {"git", "-C", origin, "init", "--quiet"},
                                               {"git", "-C", origin, "add", "."},
                                               {"git", "-C", origin, "-c", "user.name=Test", "-c",
                                                "user.email=test@example.org", "commit", "-qm", "one"}}) {
      const absl::Status done = Execute(argv);
      ASSERT_TRUE(done.ok()) << done;
    }
  }

  // Not whole: `run` says why.
  static std::unique_ptr<Built> Build(const std::string& id, const std::set<std::string>& disabled) {
    RootfsRequest request;
    request.environment.build_id = id;
    request.environment.architecture = Architecture::kAmd64;
    request.environment.work_folder = folder_->path() / id;
    request.boot_limit = absl::Seconds(60);
    request.environment.disk_bytes = int64_t{4} << 30;
    request.source.url = (folder_->path() / "origin").string();
    request.outputs = {PackFormat::kTarZst};
    request.disabled_shortcuts = disabled;
    fs::create_directories(request.environment.work_folder);
    RootfsHost host;
    // As the agents of this host, so that nothing is downloaded twice.
    host.package_cache = Variable("ROOTWRIGHT_CACHE", "/var/cache/rootwright") + "/packages";
    host.apt_mirror = kMirror;
    host.apt_keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    host.programs = Variable("ROOTWRIGHT_BIN", "bin");
    FakeExecutor executor;
    auto built = std::make_unique<Built>();
    absl::StatusOr<std::unique_ptr<Routine>> routine = MakeRootfsRoutine(request, host, executor);
    built->run.status = routine.status();
    if (!routine.ok()) return built;
    RunRoutine(**routine, built->run);
    if (built->run.ok()) built->run.status = Keep(**routine, request, *built);
    built->whole = built->run.ok();
    routine->reset();
    fs::remove_all(request.environment.work_folder);
    return built;
  }

  static absl::Status Keep(Routine& routine, const RootfsRequest& request, Built& built) {
    const std::vector<ArtifactFile>& artifacts = routine.artifacts();
    if (artifacts.size() != 3) return absl::InternalError("there are not three artifacts");
    RW_ASSIGN_OR_RETURN(const std::string manifest, ReadFile(artifacts[1].path));
    built.manifest = nlohmann::json::parse(manifest);
    RW_ASSIGN_OR_RETURN(built.packages, ReadDpkgStatus(request.environment.private_folder() / "tree"));
    built.archive_sha256 = artifacts[0].sha256;
    RW_ASSIGN_OR_RETURN(built.entries, ListArchive(artifacts[0].path));
    return absl::OkStatus();
  }

  static inline std::unique_ptr<ScopedFolder> folder_;
  static inline int64_t day_ = 0;
  static inline std::unique_ptr<Built> with_;
  static inline std::unique_ptr<Built> without_;
};

TEST_F(NativeRootfs, EveryPackageIsInstalledAndInTheManifest) {
  for (const Built* built : {with_.get(), without_.get()}) {
    EXPECT_EQ(static_cast<int>(built->manifest["packages"].size()), built->run.reporter.planned);
    EXPECT_EQ(built->manifest["source"]["commit"], built->run.reporter.commit);
    EXPECT_GT(built->packages.size(), 100U);
    for (const InstalledPackage& package : built->packages)
      EXPECT_EQ(package.status, "install ok installed") << package.name;
  }
}

TEST_F(NativeRootfs, EveryShortcutIsUsedAndNoneWhenTheyAreOff) {
  EXPECT_THAT(with_->shortcuts(), ElementsAreArray(ShortcutNames()));
  EXPECT_THAT(without_->shortcuts(), ElementsAreArray(std::vector<std::string>()));
  // The packages' own words where they do the work.
  for (const char* word : {"142 added, 0 removed", "Creating SSH2 RSA key"}) {
    EXPECT_THAT(without_->run.reporter.log, HasSubstr(word));
    EXPECT_THAT(with_->run.reporter.log, testing::Not(HasSubstr(word)));
  }
}

// No difference is allowed, so no list of them stands here.
TEST_F(NativeRootfs, ShortcutsMakeNoDifference) {
  EXPECT_GT(with_->entries.size(), 10000U);
  int differences = 0;
  for (const auto& [path, entry] : without_->entries) {
    const auto found = with_->entries.find(path);
    const std::string ours = found == with_->entries.end() ? "is missing" : found->second;
    if (ours == entry || ++differences > 50) continue;
    ADD_FAILURE() << "/" << path << "\n  with shortcuts    " << ours << "\n  without shortcuts " << entry;
  }
  for (const auto& [path, entry] : with_->entries) {
    if (without_->entries.count(path) != 0 || ++differences > 50) continue;
    ADD_FAILURE() << "/" << path << "\n  with shortcuts    " << entry << "\n  without shortcuts is missing";
  }
  EXPECT_EQ(differences, 0);
  EXPECT_EQ(with_->archive_sha256, without_->archive_sha256);
  nlohmann::json ours = with_->manifest;
  nlohmann::json theirs = without_->manifest;
  for (nlohmann::json* manifest : {&ours, &theirs}) {
    for (const char* of_the_build : {"build_id", "shortcuts", "steps"}) manifest->erase(of_the_build);
  }
  EXPECT_EQ(ours, theirs);
}

}  // namespace
}  // namespace rootwright
