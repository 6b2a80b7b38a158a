// Portage for real: the root that images/portage describes, built by the product's own routine, merges the
// test packages into a separate root; the plan, the fetching of sources, the progress and the failures go
// through what the product uses. Needs root, the mirror, pip's index, meson and curl; what is missing fails
// the test by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/rootfs/portage/binary_package_cache.h"
#include "executors/rootfs/portage/distfile_cache.h"
#include "executors/rootfs/portage/emerge_plan.h"
#include "executors/rootfs/portage/merge_report.h"
#include "executors/rootfs/portage/portage_files.h"
#include "executors/rootfs/spec/overlay.h"
#include "tests/portage/native_root.h"
#include "tests/portage/portage_image.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = PlanFinding::Kind;

constexpr char kRepository[] = "/var/db/repos/rootwright-test";
const std::vector<std::string>& Set() {
  static const auto* const kSet = new std::vector<std::string>{"virtual/banner", "app-admin/logrotate",
                                                               "dev-libs/cjson", "sys-libs/nss-unknown"};
  return *kSet;
}

std::string Variable(const char* name, const std::string& otherwise) {
  const char* value = getenv(name);
  return value == nullptr ? otherwise : value;
}

fs::path Source() { return fs::absolute(Variable("ROOTWRIGHT_SOURCE", ".")); }
fs::path Cache() { return Variable("ROOTWRIGHT_CACHE", "/var/cache/rootwright"); }

// What merging came to.
struct Merge {
  int exit_code = -1;
  std::string output;
  std::vector<EmergeSnapshot> snapshots;
  std::vector<EmergeLogEntry> log;
  std::vector<MergeFailure> failures;
  bool ended = false;

  std::vector<std::string> Completed() const {
    std::vector<std::string> names;
    for (const EmergeLogEntry& entry : log)
      if (entry.kind == EmergeLogEntry::Kind::kCompleted) names.push_back(entry.cpv);
    return names;
  }
};

class Portage : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(geteuid(), 0U) << "this test needs root: it makes mounts and owners";
    folder_ = std::make_unique<ScopedFolder>(
        *ScopedFolder::Create(Variable("TMPDIR", "/var/tmp"), "portage-test-"));
    const absl::Status made = UnpackPortageImage(folder_->path() / "image");
    ASSERT_TRUE(made.ok()) << made;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override {
    ASSERT_TRUE(fs::exists(folder_->path() / "image/usr/bin/emerge"));
    settings_.profile = "amd64";
    settings_.repositories = {{"rootwright-test", kRepository}};
    settings_.jobs = 2;
    fs::create_directories(folder_->path() / "distfiles");
    NewRoot();
  }

  // In which nothing was merged yet.
  void NewRoot() {
    absl::StatusOr<NativeRoot> root = NativeRoot::Create(folder_->path() / "image", folder_->path());
    ASSERT_TRUE(root.ok()) << root.status();
    root_ = std::make_unique<NativeRoot>(*std::move(root));
    PlaceSettings();
  }

  // As settings_ are now.
  void PlaceSettings() {
    const absl::StatusOr<std::vector<PortageFile>> files = PortageFiles(settings_);
    ASSERT_TRUE(files.ok()) << files.status();
    const absl::StatusOr<ScopedFolder> overlay = ScopedFolder::Create(folder_->path(), "overlay-");
    ASSERT_TRUE(overlay.ok()) << overlay.status();
    const absl::Status written = WritePortageFiles(*files, overlay->path());
    ASSERT_TRUE(written.ok()) << written;
    const absl::Status placed = PlaceOverlay(overlay->path(), root_->Written());
    ASSERT_TRUE(placed.ok()) << placed;
  }

  NativeRoot::Command Python(absl::string_view program, const std::vector<std::string>& atoms) {
    NativeRoot::Command command;
    // Descriptor 3 is what the host reads.
    command.argv = {"/bin/sh", "-c", "exec 3>&1 1>&2; exec python3 - \"$@\"", "python"};
    for (const std::vector<std::string>& part : {EmergeOptions(settings_), atoms})
      command.argv.insert(command.argv.end(), part.begin(), part.end());
    command.variables = PortageVariables(settings_);
    command.input = std::string(program);
    command.folders = {{kRepository, Source() / "tests/portage/repository"},
                       {settings_.distfiles, folder_->path() / "distfiles"}};
    if (!packages_.empty()) command.folders[settings_.cached_packages] = packages_;
    return command;
  }

  EmergePlan Plan(const std::vector<std::string>& atoms) {
    NativeRoot::Command command = Python(PlanProgram(), atoms);
    std::string answer;
    command.on_stdout = [&](absl::string_view data) { answer.append(data.data(), data.size()); };
    const absl::StatusOr<SubprocessResult> result = root_->Run(command);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return {};
    EXPECT_TRUE(result->ok()) << result->error_output;
    absl::StatusOr<EmergePlan> plan = ParseEmergePlan(answer);
    EXPECT_TRUE(plan.ok()) << plan.status() << "\n" << result->error_output;
    return plan.ok() ? *std::move(plan) : EmergePlan();
  }

  // The one finding of a plan that is not possible.
  PlanFinding Refusal(const std::vector<std::string>& atoms) {
    const EmergePlan plan = Plan(atoms);
    EXPECT_FALSE(plan.possible);
    EXPECT_THAT(plan.packages, IsEmpty());
    EXPECT_THAT(plan.findings, SizeIs(1));
    return plan.findings.empty() ? PlanFinding() : plan.findings.front();
  }

  absl::Status Fetch(const EmergePlan& plan) {
    return DistfileCache(Cache() / "distfiles")
        .MakeDistdir(plan.files, folder_->path() / "distfiles", nullptr, Deadline::In(absl::Minutes(5)), {});
  }

  Merge MergePackages(const std::vector<std::string>& atoms) {
    NativeRoot::Command command = Python(MergeProgram(), atoms);
    Merge merge;
    MergeReport report;
    command.on_stdout = [&](absl::string_view data) {
      for (MergeEvent& event : report.Append(data)) {
        if (auto* snapshot = std::get_if<EmergeSnapshot>(&event))
          merge.snapshots.push_back(std::move(*snapshot));
        if (auto* entry = std::get_if<EmergeLogEntry>(&event)) merge.log.push_back(std::move(*entry));
        if (auto* failure = std::get_if<MergeFailure>(&event)) merge.failures.push_back(std::move(*failure));
        merge.ended = merge.ended || std::holds_alternative<MergeEnd>(event);
      }
    };
    const absl::StatusOr<SubprocessResult> result = root_->Run(command);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return merge;
    merge.exit_code = result->exit_code;
    merge.output = result->error_output;
    return merge;
  }

  // A program of the separate root, run there.
  std::string RunInTarget(const std::vector<std::string>& argv) {
    NativeRoot::Command command;
    command.argv = {"chroot", settings_.separate_root};
    command.argv.insert(command.argv.end(), argv.begin(), argv.end());
    const absl::StatusOr<SubprocessResult> result = root_->Run(command);
    return result.ok() ? result->output + result->error_output : result.status().ToString();
  }

  static inline std::unique_ptr<ScopedFolder> folder_;
  EmergeSettings settings_;
  std::unique_ptr<NativeRoot> root_;
  // What a cache handed out.
  fs::path packages_;
};

// With a cache of binary packages, as a build uses it.
class PortageWithCache : public Portage {
 protected:
  void SetUp() override {
    settings_.use_binary_packages = true;
    Portage::SetUp();
    work_ = std::make_unique<ScopedFolder>(*ScopedFolder::Create(folder_->path(), "cache-"));
    fs::copy(Source() / "tests/portage/repository", work_->path() / "repository",
             fs::copy_options::recursive);
    auto cache = BinaryPackageCache::Create(
        {work_->path() / "cache", int64_t{1} << 30, work_->path() / "state/key.pem", {}});
    ASSERT_TRUE(cache.ok()) << cache.status();
    cache_ = *std::move(cache);
  }

  BinaryPackageScope Scope() const { return {"amd64", settings_.profile, "the image", "separate"}; }
  RecipeDigests Recipes() const { return RecipeDigests({{"rootwright-test", work_->path() / "repository"}}); }
  CacheWarning Warn() {
    return [this](const std::string& text) { warnings_.push_back(text); };
  }

  // A build in a root of its own: what is binary in its plan, by cpv.
  std::set<std::string> Build(const std::vector<std::string>& atoms) {
    warnings_.clear();
    NewRoot();
    RecipeDigests recipes = Recipes();
    const fs::path folder = work_->path() / absl::StrCat("handed-", ++handed_);
    const auto handed = cache_->HandOut(Scope(), recipes, folder, settings_.cached_packages, Warn(),
                                        Deadline::In(absl::Minutes(1)), {});
    EXPECT_TRUE(handed.ok()) << handed.status();
    if (!handed.ok()) return {};
    packages_.clear();
    index_ = folder / "Packages";
    if (before_plan_) before_plan_();
    EmergePlan plan;
    for (absl::StatusOr<bool> good = false; good.ok() && !*good;) {
      TakeIndex();
      plan = Plan(atoms);
      good = (*handed)->Confirm(plan, Warn(), Deadline::In(absl::Minutes(1)), {});
      EXPECT_TRUE(good.ok()) << good.status();
    }
    TakeIndex();
    packages_ = folder;
    EXPECT_TRUE(plan.possible);
    EXPECT_TRUE(Fetch(plan).ok());
    merge_ = MergePackages(atoms);
    EXPECT_EQ(merge_.exit_code, 0) << merge_.output;
    const auto stored = cache_->Store(Scope(), recipes, plan, root_->Written() / "var/cache/binpkgs", Warn(),
                                      Deadline::In(absl::Minutes(1)), {});
    EXPECT_TRUE(stored.ok()) << stored.status();
    stored_ = stored.ok() ? stored->packages : -1;
    std::set<std::string> binary;
    for (const PlannedPackage& package : plan.packages)
      if (package.binary) binary.insert(package.cpv);
    planned_ = plan.packages.size();
    return binary;
  }

  void TakeIndex() {
    const fs::path own = root_->Written() / settings_.binary_packages.substr(1);
    fs::create_directories(own);
    fs::copy_file(index_, own / "Packages", fs::copy_options::overwrite_existing);
  }

  // Of a package in the cache, by a part of its name.
  fs::path Cached(const std::string& part, const std::string& ending) const {
    for (const auto& entry : fs::recursive_directory_iterator(work_->path() / "cache/packages")) {
      const std::string name = entry.path().filename().string();
      if (absl::StrContains(name, part) && absl::EndsWith(name, ending)) return entry.path();
    }
    ADD_FAILURE() << part << " is not in the cache";
    return {};
  }

  std::set<std::string> MergedBinary() const {
    std::set<std::string> merged;
    for (const EmergeLogEntry& entry : merge_.log)
      if (entry.kind == EmergeLogEntry::Kind::kMergingBinary) merged.insert(entry.cpv);
    return merged;
  }

  std::unique_ptr<ScopedFolder> work_;
  std::unique_ptr<BinaryPackageCache> cache_;
  std::vector<std::string> warnings_;
  std::function<void()> before_plan_;
  fs::path index_;
  Merge merge_;
  int handed_ = 0;
  int stored_ = 0;
  size_t planned_ = 0;
};

TEST_F(Portage, MergesTheSetAsPlanned) {
  const EmergePlan plan = Plan(Set());
  ASSERT_TRUE(plan.possible);
  EXPECT_THAT(plan.findings, IsEmpty());
  EXPECT_THAT(plan.files, SizeIs(5));
  const absl::Status fetched = Fetch(plan);
  ASSERT_TRUE(fetched.ok()) << fetched;

  const Merge merge = MergePackages(Set());
  ASSERT_EQ(merge.exit_code, 0) << merge.output;
  EXPECT_TRUE(merge.ended);
  std::vector<std::string> planned;
  for (const PlannedPackage& package : plan.packages) planned.push_back(package.cpv);
  EXPECT_EQ(merge.Completed(), planned);
  ASSERT_FALSE(merge.snapshots.empty());
  for (const EmergeSnapshot& snapshot : merge.snapshots)
    EXPECT_EQ(snapshot.total, static_cast<int>(planned.size()));

  EXPECT_THAT(RunInTarget({"/usr/bin/figlet", "ok"}), HasSubstr("|"));
  EXPECT_THAT(RunInTarget({"/usr/sbin/logrotate", "--version"}), HasSubstr("logrotate 3.21.0"));
  EXPECT_TRUE(fs::exists(root_->Written() / "target/usr/lib/libcjson_utils.so"));
  EXPECT_TRUE(fs::exists(root_->Written() / "target/usr/lib/libnss_unknown.so.2"));
  // Debian's own root got nothing but what Portage writes about itself.
  EXPECT_FALSE(fs::exists(root_->Written() / "usr/lib/libpopt.so"));
  EXPECT_FALSE(fs::exists(root_->Written() / "var/tmp/portage/app-admin"));
}

TEST_F(Portage, InPlaceItMergesIntoTheRootItselfButNotOverDebiansFiles) {
  settings_.root_mode = RootMode::kInPlace;
  settings_.profile = "amd64-in-place";
  PlaceSettings();
  const EmergePlan plan = Plan({"app-admin/logrotate"});
  ASSERT_TRUE(plan.possible);
  EXPECT_THAT(plan.packages, SizeIs(2));
  ASSERT_TRUE(Fetch(plan).ok());
  Merge merge = MergePackages({"app-admin/logrotate"});
  ASSERT_EQ(merge.exit_code, 0) << merge.output;
  settings_.separate_root = "/";
  EXPECT_THAT(RunInTarget({"/usr/sbin/logrotate", "--version"}), HasSubstr("logrotate 3.21.0"));

  merge = MergePackages({"sys-libs/debian-libc"});
  EXPECT_EQ(merge.exit_code, 1);
  EXPECT_THAT(merge.output, HasSubstr("libc.so.6"));
  EXPECT_FALSE(fs::exists(root_->Written() / "usr/lib/x86_64-linux-gnu/libc.so.6"));
}

TEST_F(Portage, WhatItBuiltOnceItMergesFromABinaryPackage) {
  settings_.use_binary_packages = true;
  ASSERT_TRUE(Fetch(Plan({"dev-libs/popt"})).ok());
  ASSERT_EQ(MergePackages({"dev-libs/popt"}).exit_code, 0);
  settings_.separate_root = "/other";
  const EmergePlan plan = Plan({"dev-libs/popt"});
  ASSERT_TRUE(plan.possible);
  for (const PlannedPackage& package : plan.packages) EXPECT_TRUE(package.binary) << package.cpv;
  EXPECT_THAT(plan.files, IsEmpty());
  const Merge merge = MergePackages({"dev-libs/popt"});
  EXPECT_EQ(merge.exit_code, 0) << merge.output;
  EXPECT_TRUE(fs::exists(root_->Written() / "other/usr/lib/libpopt.so"));
}

TEST_F(PortageWithCache, AFreshRootMergesTheWholeSetFromWhatAnotherMade) {
  EXPECT_THAT(Build(Set()), IsEmpty());
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_EQ(stored_, static_cast<int>(planned_));

  const std::set<std::string> binary = Build(Set());
  EXPECT_THAT(binary, SizeIs(planned_));
  EXPECT_EQ(MergedBinary(), binary);
  EXPECT_THAT(warnings_, IsEmpty());
  EXPECT_EQ(stored_, 0);
  EXPECT_THAT(RunInTarget({"/usr/bin/figlet", "ok"}), HasSubstr("|"));
  EXPECT_THAT(RunInTarget({"/usr/sbin/logrotate", "--version"}), HasSubstr("logrotate 3.21.0"));
}

TEST_F(PortageWithCache, WhatIsDamagedOrUnsignedIsSaidAndBuiltAgain) {
  const std::vector<std::string> set = {"dev-libs/cjson", "app-misc/figlet"};
  Build(set);
  ASSERT_EQ(stored_, static_cast<int>(planned_));

  // One byte of its content, which the resolver never sees.
  const fs::path damaged = Cached("figlet", ".gpkg.tar");
  absl::StatusOr<std::string> content = ReadFile(damaged);
  ASSERT_TRUE(content.ok()) << content.status();
  (*content)[content->size() / 2] = static_cast<char>((*content)[content->size() / 2] ^ 1);
  std::ofstream(damaged, std::ios::in | std::ios::binary)
      .write(content->data(), static_cast<std::streamsize>(content->size()));
  std::set<std::string> binary = Build(set);
  EXPECT_THAT(binary, AllOf(SizeIs(planned_ - 1), Contains("dev-libs/cjson-1.7.15")));
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("app-misc/figlet-2.2.5: " + damaged.string()),
                                           HasSubstr("SHA-256"), HasSubstr("built from source"))));
  EXPECT_EQ(MergedBinary(), binary);
  EXPECT_EQ(stored_, 1);

  const fs::path record = Cached("cjson", ".record");
  content = ReadFile(record);
  ASSERT_TRUE(content.ok()) << content.status();
  std::ofstream(record) << content->substr(0, content->find("signature: "));
  binary = Build(set);
  EXPECT_THAT(binary, AllOf(SizeIs(planned_ - 1), Contains("app-misc/figlet-2.2.5")));
  EXPECT_THAT(warnings_,
              ElementsAre(AllOf(HasSubstr("dev-libs/cjson-1.7.15"), HasSubstr("it is not signed"))));
  EXPECT_EQ(stored_, 1);
  EXPECT_THAT(Build(set), SizeIs(planned_));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(PortageWithCache, OtherFlagsOrAnotherRecipeAreBuiltAgain) {
  const std::vector<std::string> set = {"dev-libs/cjson"};
  Build(set);
  ASSERT_EQ(stored_, static_cast<int>(planned_));
  before_plan_ = [&] {
    const fs::path flags = root_->Written() / "etc/portage/package.use";
    fs::create_directories(flags.parent_path());
    std::ofstream(flags) << "dev-libs/cjson -utils\n";
  };
  EXPECT_THAT(Build(set), SizeIs(planned_ - 1));
  EXPECT_EQ(stored_, 1);
  // Both are there now, each for its flags.
  EXPECT_THAT(Build(set), SizeIs(planned_));
  before_plan_ = nullptr;
  EXPECT_THAT(Build(set), SizeIs(planned_));

  // The same version, but the host has another ebuild now than the packages were made from.
  std::ofstream(work_->path() / "repository/dev-libs/cjson/cjson-1.7.15.ebuild", std::ios::app)
      << "# changed\n";
  EXPECT_THAT(Build(set), SizeIs(planned_ - 1));
}

TEST_F(Portage, APackageThatFailsIsNamedWithItsReason) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"fails-to-configure", "did not configure: configure found no flux capacitor"},
      {"fails-to-compile", "did not compile: emake failed: greeter.c:1:25: error: implicit declaration"},
      {"fails-to-install", "did not install: "},
      {"fails-in-postinst", "was merged, but its pkg_postinst failed: the board is not connected"}};
  for (const auto& [name, why] : cases) {
    const Merge merge = MergePackages({"app-test/" + name});
    EXPECT_EQ(merge.exit_code, 1) << name;
    ASSERT_THAT(merge.failures, SizeIs(1)) << name << "\n" << merge.output;
    EXPECT_THAT(DescribeFailure(merge.failures[0]), HasSubstr(absl::StrCat("app-test/", name, "-1 ", why)));
    const absl::StatusOr<std::string> log = root_->Read(merge.failures[0].log);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_THAT(*log, HasSubstr(absl::StrCat("ERROR: app-test/", name)));
  }
}

TEST_F(Portage, EachRefusalIsOneFindingThatNamesWhoAsked) {
  PlanFinding found = Refusal({"app-test/needs-masked"});
  EXPECT_EQ(found.kind, Kind::kMasked);
  EXPECT_EQ(found.Asked(), "app-test/needs-masked");
  EXPECT_EQ(DescribeFinding(found),
            "app-test/masked: every version that fits is masked: package.mask (Never to be merged: the tests "
            "ask for "
            "it to see the refusal told with this reason.); wanted by "
            "app-test/needs-masked-1::rootwright-test, for "
            "app-test/needs-masked");
  ASSERT_THAT(found.proposal, SizeIs(1));
  EXPECT_EQ(found.proposal[0].file, "package.unmask");

  found = Refusal({"app-test/unstable"});
  EXPECT_EQ(found.kind, Kind::kMasked);
  EXPECT_EQ(found.Asked(), "app-test/unstable");
  ASSERT_THAT(found.proposal, SizeIs(1));
  EXPECT_EQ(found.proposal[0].line, "=app-test/unstable-1 ~amd64");

  found = Refusal({"app-test/needs-nls"});
  EXPECT_EQ(found.kind, Kind::kUseChange);
  EXPECT_EQ(found.Asked(), "app-test/needs-nls");
  ASSERT_THAT(found.proposal, SizeIs(1));
  EXPECT_EQ(found.proposal[0].line, ">=app-misc/hello-2.10 nls");

  found = Refusal({"app-test/needs-unknown"});
  EXPECT_EQ(found.kind, Kind::kUnknown);
  EXPECT_EQ(found.atom, ">=dev-libs/nowhere-2");
  EXPECT_EQ(found.Asked(), "app-test/needs-unknown");
}

TEST_F(Portage, TellsTheOtherRefusalsApart) {
  const std::vector<std::pair<std::vector<std::string>, Kind>> cases = {
      {{"app-test/nothere"}, Kind::kUnknown},
      {{"nocategory"}, Kind::kUnknown},
      {{"@nowhere"}, Kind::kUnknown},
      {{"=app-misc/hello"}, Kind::kInvalid},
      {{"app-misc/hello[nosuchflag]"}, Kind::kUse},
      {{"app-test/other-architecture"}, Kind::kMasked},
      {{"app-test/needs-a-flag"}, Kind::kRequiredUse},
      {{"app-test/circle-a"}, Kind::kCircular},
      {{"app-test/blocks-figlet", "app-misc/figlet"}, Kind::kBlocked}};
  for (const auto& [atoms, kind] : cases) {
    const PlanFinding found = Refusal(atoms);
    EXPECT_EQ(found.kind, kind) << atoms[0] << ": " << DescribeFinding(found);
  }
  const EmergePlan provided = Plan({"dev-build/cmake"});
  EXPECT_TRUE(provided.possible);
  ASSERT_THAT(provided.findings, SizeIs(1));
  EXPECT_EQ(provided.findings[0].kind, Kind::kProvided);
}

}  // namespace
}  // namespace rootwright
