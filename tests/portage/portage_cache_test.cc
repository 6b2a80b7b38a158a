// The cache of binary packages with Portage for real, in roots that begin anew (portage_fixture.h).
#include <algorithm>
#include <fstream>
#include <functional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "executors/rootfs/portage/binary_package_cache.h"
#include "tests/portage/portage_fixture.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

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

}  // namespace
}  // namespace rootwright
