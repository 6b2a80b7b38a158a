#include "executors/rootfs/portage/binary_package_cache.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "tests/executors/rootfs/portage/gpkg_maker.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BinaryPackages : public testing::Test {
 protected:
  BinaryPackages() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "rootwright-test-")) {
    settings_ = {folder_.path() / "cache", 1 << 20, folder_.path() / "state/key.pem", {}};
  }

  std::unique_ptr<BinaryPackageCache> Cache() const { return *BinaryPackageCache::Create(settings_); }
  RecipeDigests Recipes() const { return RecipeDigests({{"ours", folder_.path() / "repository"}}); }
  CacheWarning Warn() {
    return [this](const std::string& text) { warnings_.push_back(text); };
  }

  // An ebuild, and the package that a build made of it below out/, planned as such.
  void Build(const std::string& name, const std::string& version, const std::string& image,
             const std::string& use = "amd64") {
    const std::string pf = absl::StrCat(name, "-", version);
    const fs::path recipe = folder_.path() / "repository/app-test" / name / (pf + ".ebuild");
    fs::create_directories(recipe.parent_path());
    std::ofstream(recipe) << "EAPI=8\n";
    PutOut(absl::StrCat("app-test/", name, "/", pf, "-1.gpkg.tar"), MakeGpkg({{"CATEGORY", "app-test"},
                                                                              {"PF", pf},
                                                                              {"SLOT", "0/3"},
                                                                              {"BUILD_ID", "1"},
                                                                              {"USE", use},
                                                                              {"RDEPEND", "virtual/libc"},
                                                                              {"repository", "ours"}},
                                                                             "EAPI=8\n", image));
    PlannedPackage planned;
    planned.cpv = "app-test/" + pf;
    planned.slot = "0";
    planned.repository = "ours";
    plan_.packages.push_back(planned);
  }
  void PutOut(const std::string& file, const std::string& content) {
    const fs::path path = folder_.path() / "out" / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  int Store(const BinaryPackageCache& cache) {
    RecipeDigests recipes = Recipes();
    const auto stored = cache.Store(scope_, recipes, plan_, folder_.path() / "out", Warn(),
                                    Deadline::In(absl::Minutes(1)), {});
    EXPECT_TRUE(stored.ok()) << stored.status();
    fs::remove_all(folder_.path() / "out");
    return stored.ok() ? stored->packages : -1;
  }
  std::unique_ptr<HandedOutPackages> HandOut(const BinaryPackageCache& cache) {
    RecipeDigests recipes = Recipes();
    handed_ = folder_.path() / absl::StrCat("handed-", ++count_);
    auto handed =
        cache.HandOut(scope_, recipes, handed_, "/inside", Warn(), Deadline::In(absl::Minutes(1)), {});
    EXPECT_TRUE(handed.ok()) << handed.status();
    return handed.ok() ? *std::move(handed) : nullptr;
  }
  // As a later plan has all of them.
  absl::StatusOr<bool> ConfirmAll(HandedOutPackages& handed) {
    EmergePlan plan = plan_;
    for (PlannedPackage& package : plan.packages) package.binary = true;
    return handed.Confirm(plan, Warn(), Deadline::In(absl::Minutes(1)), {});
  }
  std::string Index() const { return *ReadFile(handed_ / "Packages"); }
  std::vector<fs::path> Files(const std::string& ending) const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(settings_.folder / "packages"))
      if (absl::EndsWith(entry.path().string(), ending)) files.push_back(entry.path());
    return files;
  }
  // Long ago.
  void Age(const std::string& name, int days) const {
    for (const fs::path& record : Files(".record")) {
      if (!absl::StrContains(record.string(), name)) continue;
      const timespec then = absl::ToTimespec(absl::Now() - absl::Hours(24 * days));
      const timespec times[] = {then, then};
      utimensat(AT_FDCWD, record.c_str(), times, 0);
    }
  }

  ScopedFolder folder_;
  BinaryPackageCache::Settings settings_;
  BinaryPackageScope scope_{"amd64", "default", "root", "settings"};
  EmergePlan plan_;
  fs::path handed_;
  int count_ = 0;
  std::vector<std::string> warnings_;
};

TEST_F(BinaryPackages, AreHandedOutWithAnIndexThatNamesThem) {
  const auto cache = Cache();
  Build("one", "1", "image");
  EXPECT_EQ(Store(*cache), 1);
  const auto handed = HandOut(*cache);
  EXPECT_EQ(handed->size(), 1U);
  EXPECT_TRUE(*ConfirmAll(*handed));
  const fs::path package = Files(".gpkg.tar").front();
  EXPECT_THAT(Index(),
              AllOf(HasSubstr("PACKAGES: 1\n"), HasSubstr("VERSION: 0\n\nBUILD_ID: 1\nCPV: app-test/one-1\n"),
                    HasSubstr(absl::StrCat("PATH: /inside/", package.filename().string(), "\n")),
                    HasSubstr("RDEPEND: virtual/libc\nREPO: ours\n"),
                    HasSubstr(absl::StrCat("SIZE: ", fs::file_size(package), "\nSLOT: 0/3\nUSE: amd64\n"))));
  // Not a copy, and nobody may write to it.
  EXPECT_TRUE(fs::exists(handed_ / package.filename()));
  EXPECT_EQ(fs::hard_link_count(package), 2U);
  EXPECT_EQ(fs::status(package).permissions(), fs::perms(0444));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(BinaryPackages, OfAnotherScopeOrRecipeAreNotHandedOut) {
  const auto cache = Cache();
  Build("one", "1", "image");
  Store(*cache);
  scope_.settings = "-O3";
  EXPECT_EQ(HandOut(*cache)->size(), 0U);
  scope_.settings = "settings";
  EXPECT_EQ(HandOut(*cache)->size(), 1U);
  fs::create_directories(folder_.path() / "repository/app-test/one/files");
  std::ofstream(folder_.path() / "repository/app-test/one/files/fix.patch") << "+";
  EXPECT_EQ(HandOut(*cache)->size(), 0U);
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(BinaryPackages, WhoseBytesChangedAreSaidAndRemoved) {
  const auto cache = Cache();
  Build("one", "1", std::string(5000, 'a'));
  Build("two", "1", "image");
  EXPECT_EQ(Store(*cache), 2);
  for (const fs::path& package : Files(".gpkg.tar")) {
    if (!absl::StrContains(package.string(), "one")) continue;
    std::fstream(package, std::ios::in | std::ios::out).seekp(4000).write("x", 1);
  }
  const auto handed = HandOut(*cache);
  EXPECT_EQ(handed->size(), 2U);
  EXPECT_FALSE(*ConfirmAll(*handed));
  EXPECT_THAT(warnings_,
              ElementsAre(AllOf(HasSubstr("binary package app-test/one-1: "), HasSubstr("its SHA-256 is"))));
  EXPECT_EQ(handed->size(), 1U);
  EXPECT_THAT(Index(), AllOf(HasSubstr("app-test/two-1"), ::testing::Not(HasSubstr("app-test/one-1"))));
  EXPECT_THAT(Files(".gpkg.tar"), SizeIs(1));
}

TEST_F(BinaryPackages, ThatThePlanDoesNotTakeAreLeftOutOnceItIsFinal) {
  const auto cache = Cache();
  Build("one", "1", "image");
  Build("two", "1", "image");
  Store(*cache);
  const auto handed = HandOut(*cache);
  EmergePlan plan = plan_;
  plan.packages[1].binary = true;
  EXPECT_TRUE(*handed->Confirm(plan, Warn(), Deadline::In(absl::Minutes(1)), {}));
  EXPECT_EQ(handed->size(), 1U);
  EXPECT_THAT(Index(), AllOf(HasSubstr("app-test/two-1"), ::testing::Not(HasSubstr("app-test/one-1"))));
  EXPECT_EQ(std::distance(fs::directory_iterator(handed_), {}), 2);
  EXPECT_THAT(Files(".gpkg.tar"), SizeIs(2));
}

TEST_F(BinaryPackages, WithoutAGoodSignatureAreSaidAndRemoved) {
  const auto cache = Cache();
  for (const char* name : {"whole", "bare", "unsigned", "changed", "moved"}) Build(name, "1", name);
  EXPECT_EQ(Store(*cache), 5);
  std::map<std::string, fs::path> records;
  for (const fs::path& record : Files(".record")) {
    const std::string name = record.filename().string();
    records[name.substr(9, name.find('-', 9) - 9)] = record;
  }
  fs::remove(records["bare"]);
  std::string text = *ReadFile(records["unsigned"]);
  std::ofstream(records["unsigned"]) << text.substr(0, text.find("signature"));
  text = *ReadFile(records["changed"]);
  text.replace(text.find("virtual/libc"), 12, "virtual/evil");
  std::ofstream(records["changed"]) << text;
  fs::copy_file(records["whole"], records["moved"], fs::copy_options::overwrite_existing);
  const auto handed = HandOut(*cache);
  EXPECT_EQ(handed->size(), 1U);
  EXPECT_THAT(warnings_, ::testing::UnorderedElementsAre(
                             AllOf(HasSubstr("app-test/bare-1"), HasSubstr("it is not signed")),
                             AllOf(HasSubstr("app-test/unsigned-1"), HasSubstr("it is not signed")),
                             AllOf(HasSubstr("app-test/changed-1"), HasSubstr("its signature is wrong")),
                             AllOf(HasSubstr("app-test/moved-1"), HasSubstr("belongs to another package"))));
  EXPECT_THAT(Files(".gpkg.tar"), SizeIs(1));
}

TEST_F(BinaryPackages, OfAnotherAgentAreTakenWhenItsKeyIsTrusted) {
  const auto cache = Cache();
  Build("one", "1", "image");
  Store(*cache);
  const std::string theirs = cache->public_key();
  settings_.key_file = folder_.path() / "other/key.pem";
  EXPECT_EQ(HandOut(*Cache())->size(), 0U);
  // Left alone: it is good for others.
  EXPECT_THAT(Files(".gpkg.tar"), SizeIs(1));
  EXPECT_THAT(warnings_, IsEmpty());
  settings_.trusted_keys = {theirs};
  EXPECT_EQ(HandOut(*Cache())->size(), 1U);
}

TEST_F(BinaryPackages, ThatNobodyPlannedAreNotKept) {
  const auto cache = Cache();
  Build("one", "1", "image");
  Build("flags", "1", "image", "amd64 nls");
  plan_.packages[1].use_off = {"nls"};
  Build("slot", "1", "image");
  plan_.packages[2].slot = "4";
  Build("other", "1", "image");
  plan_.packages.pop_back();
  Build("place", "1", "image");
  fs::rename(folder_.path() / "out/app-test/place", folder_.path() / "out/app-test/elsewhere");
  PutOut("app-test/junk/junk-1-1.gpkg.tar", "not a package");
  fs::create_directories(folder_.path() / "out/app-test/link");
  fs::create_symlink("/etc/passwd", folder_.path() / "out/app-test/link/link-1-1.gpkg.tar");
  mkfifo((folder_.path() / "out/app-test/link/pipe-1-1.gpkg.tar").c_str(), 0600);
  EXPECT_EQ(Store(*cache), 1);
  EXPECT_THAT(warnings_,
              ::testing::UnorderedElementsAre(
                  HasSubstr("flags-1-1.gpkg.tar is not kept: it was built with USE=nls"),
                  HasSubstr("slot-1-1.gpkg.tar is not kept: it is in slot 0/3, planned was 4"),
                  HasSubstr("it is app-test/other-1, which this build did not plan"),
                  HasSubstr("elsewhere/place-1-1.gpkg.tar is not kept: it says that it is"),
                  HasSubstr("junk-1-1.gpkg.tar is not kept"), HasSubstr("link-1-1.gpkg.tar is not kept"),
                  HasSubstr("pipe-1-1.gpkg.tar is not kept: it is no file")));
  EXPECT_TRUE(fs::is_empty(settings_.folder / "incoming"));
}

TEST_F(BinaryPackages, TheNewerOfTwoAlikeStays) {
  const auto cache = Cache();
  Build("one", "1", "first");
  Store(*cache);
  Build("one", "1", "second");
  Store(*cache);
  EXPECT_THAT(Files(".gpkg.tar"), SizeIs(1));
  Build("one", "1", "third", "amd64 nls");
  Store(*cache);
  EXPECT_THAT(Files(".gpkg.tar"), SizeIs(2));
}

TEST_F(BinaryPackages, WhatWasNotUsedForLongestGoesFirstButNothingThatABuildWasHanded) {
  for (const char* name : {"one", "two"}) {
    Build(name, "1", std::string(8000, 'i'));
    EXPECT_EQ(Store(*Cache()), 1);
  }
  // Room for two and a half.
  settings_.quota_bytes = static_cast<int64_t>(fs::file_size(Files(".gpkg.tar").front())) * 5 / 2;
  const auto cache = Cache();
  Age("one", 2);
  Age("two", 3);
  // It was used just now, the other was only offered.
  {
    const auto handed = HandOut(*cache);
    EmergePlan plan;
    plan.packages = {plan_.packages[1]};
    plan.packages[0].binary = true;
    EXPECT_TRUE(*handed->Confirm(plan, Warn(), Deadline::In(absl::Minutes(1)), {}));
    Build("three", "1", std::string(9000, 'i'));
    EXPECT_EQ(Store(*cache), 0);
    EXPECT_THAT(warnings_, ElementsAre(HasSubstr("the cache is full of packages that running builds use")));
    EXPECT_THAT(Files(".gpkg.tar"), SizeIs(2));
  }
  Build("three", "1", std::string(8000, 'i'));
  EXPECT_EQ(Store(*cache), 1);
  const std::vector<fs::path> left = Files(".gpkg.tar");
  EXPECT_THAT(left, SizeIs(2));
  for (const fs::path& file : left) EXPECT_FALSE(absl::StrContains(file.string(), "one")) << file;
}

TEST_F(BinaryPackages, WhatAnEndInTheMiddleLeftGoes) {
  const auto cache = Cache();
  Build("one", "1", "image");
  Store(*cache);
  std::ofstream(settings_.folder / "incoming/half") << "half";
  const fs::path scope = Files(".record").front().parent_path();
  std::ofstream(scope / "app-test,two-1,0.record.Xa12bc") << "half";
  std::ofstream(scope / "app-test,two-1,0.record") << "no package";
  EXPECT_EQ(HandOut(*cache)->size(), 1U);
  EXPECT_TRUE(fs::is_empty(settings_.folder / "incoming"));
  EXPECT_THAT(Files(""), SizeIs(3));
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(BinaryPackages, TheKeyIsMadeOnceAndForNobodyElse) {
  const std::string key = Cache()->public_key();
  EXPECT_THAT(key, SizeIs(64));
  EXPECT_EQ(fs::status(settings_.key_file).permissions(), fs::perms(0600));
  EXPECT_EQ(Cache()->public_key(), key);
  fs::permissions(settings_.key_file, fs::perms(0644));
  EXPECT_TRUE(absl::IsFailedPrecondition(BinaryPackageCache::Create(settings_).status()));
  std::ofstream(settings_.key_file) << "no key";
  fs::permissions(settings_.key_file, fs::perms(0600));
  EXPECT_THAT(std::string(BinaryPackageCache::Create(settings_).status().message()),
              HasSubstr("no ed25519 key"));
}

TEST(SignedText, ReadsBackAsItWasWritten) {
  const ScopedFolder folder = *ScopedFolder::Create(fs::temp_directory_path(), "rootwright-test-");
  const SigningKey key = *SigningKey::LoadOrMake(folder.path() / "key.pem");
  BinaryPackageRecord record{Sha256::Of("s"), Sha256::Of("r"), Sha256::Of("p"), 5, {}, ""};
  record.fields = {{"CPV", "app-test/one-1"}, {"RDEPEND", ">=dev-libs/popt-1: x"}, {"USE", ""}};
  const std::string text = *SignedText(record, key);
  const auto read = ReadSignedText(text, {key.public_key()});
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->fields, record.fields);
  EXPECT_EQ(read->size_bytes, 5);
  EXPECT_TRUE(absl::IsUnauthenticated(ReadSignedText(text, {}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(ReadSignedText("", {}).status()));
  // Signed well, but nothing that we would write.
  record.fields["CPV"] = "../../etc";
  EXPECT_TRUE(absl::IsDataLoss(ReadSignedText(*SignedText(record, key), {key.public_key()}).status()));
}

}  // namespace
}  // namespace rootwright
