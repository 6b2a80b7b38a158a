// Apt against a signed mirror that the test makes itself, in a folder.
#include "debian/apt.h"

#include <gmock/gmock.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "tests/debian/deb_maker.h"

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void Must(std::vector<std::string> argv, const std::map<std::string, std::string>& more = {}) {
  SubprocessSpec spec{.argv = std::move(argv)};
  spec.environment = std::map<std::string, std::string>{{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
  spec.environment->insert(more.begin(), more.end());
  const auto result = CheckSubprocess(spec, Deadline::In(absl::Minutes(1)), {});
  ASSERT_TRUE(result.ok()) << result.status();
}

class AptTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<ScopedFolder>(
        *ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-"));
    const std::filesystem::path home = at() / "gnupg";
    ASSERT_TRUE(MakeFolders(home).ok());
    std::filesystem::permissions(home, std::filesystem::perms::owner_all);
    Must({"gpg", "--homedir", home.string(), "--batch", "--quiet", "--passphrase", "", "--quick-generate-key",
          "test", "ed25519", "sign", "never"});
    Must({"gpg", "--homedir", home.string(), "--quiet", "--output", (at() / "good.gpg").string(), "--export",
          "test"});
    MakeMirror();
    Sign();
  }
  static void TearDownTestSuite() {
    Must({"gpgconf", "--homedir", (at() / "gnupg").string(), "--kill", "all"});
    folder_.reset();
  }
  static std::filesystem::path at() { return folder_->path(); }

  static void MakeMirror() {
    const std::filesystem::path pool = at() / "mirror/pool";
    const std::filesystem::path index = at() / "mirror/dists/test/main/binary-arm64";
    ASSERT_TRUE(MakeFolders(pool).ok() && MakeFolders(index).ok());
    std::string packages;
    const TestPackage made[] = {{.name = "app",
                                 .version = "1:2.0-1",
                                 .fields = "Depends: liba (>= 1.0)\n",
                                 .files = {{"usr/bin/app", "x"}}},
                                {.name = "liba", .files = {{"usr/lib/liba", "y"}}},
                                {.name = "unrelated", .files = {{"usr/lib/u", "z"}}},
                                {.name = "broken", .fields = "Depends: missing (>= 3)\n"},
                                {.name = "provider", .fields = "Provides: idea\n"},
                                {.name = "provider2", .fields = "Provides: idea\n"}};
    for (const TestPackage& package : made) {
      const std::filesystem::path deb = MakeDeb(at() / "made", package);
      const std::filesystem::path kept = pool / absl::StrCat(package.name, ".deb");
      std::filesystem::copy_file(deb, kept);
      absl::StrAppend(&packages, "Package: ", package.name, "\nVersion: ", package.version,
                      "\nArchitecture: arm64\nMaintainer: x\nInstalled-Size: 10\n", package.fields,
                      "Filename: pool/", package.name, ".deb\nSize: ", std::filesystem::file_size(kept),
                      "\nSHA256: ", *Sha256::OfFile(kept), "\nDescription: x\n\n");
    }
    ASSERT_TRUE(WriteFileAtomically(index / "Packages", packages).ok());
    const std::string release = absl::StrCat(
        "Suite: test\nCodename: test\nArchitectures: arm64\nComponents: main\nDate: ",
        absl::FormatTime("%a, %d %b %Y %H:%M:%S", absl::Now(), absl::UTCTimeZone()), " UTC\nSHA256:\n ",
        Sha256::Of(packages), " ", packages.size(), " main/binary-arm64/Packages\n");
    ASSERT_TRUE(WriteFileAtomically(at() / "mirror/dists/test/Release", release).ok());
  }
  static void Sign() {
    const std::filesystem::path dists = at() / "mirror/dists/test";
    Must({"gpg", "--homedir", (at() / "gnupg").string(), "--batch", "--quiet", "--yes", "--clearsign",
          "--output", (dists / "InRelease").string(), (dists / "Release").string()});
  }

  static AptSource Source() {
    return {absl::StrCat("file:", (at() / "mirror").string()), "test", {"main"}, at() / "good.gpg"};
  }
  // Each test has a state of its own.
  static Apt Fresh(const std::string& name) { return Apt(at() / name, Architecture::kArm64, {Source()}); }
  static Deadline Soon() { return Deadline::In(absl::Minutes(1)); }

 private:
  static std::unique_ptr<ScopedFolder> folder_;
};
std::unique_ptr<ScopedFolder> AptTest::folder_;

TEST_F(AptTest, PlanHasWhatIsNeededAndNothingElse) {
  Apt apt = Fresh("plan");
  const absl::Status updated = apt.Update(Soon(), {});
  ASSERT_TRUE(updated.ok()) << updated;
  const auto plan = apt.Resolve({}, {"app"}, Soon(), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->packages.size(), 2u);
  EXPECT_EQ(plan->packages[0].name, "liba") << "dependencies come first";
  EXPECT_EQ(plan->packages[1].name, "app");
  EXPECT_EQ(plan->packages[1].version, "1:2.0-1");
  EXPECT_EQ(plan->packages[1].filename, "pool/app.deb");
  EXPECT_EQ(plan->packages[1].installed_bytes, 10240);
}

TEST_F(AptTest, DownloadIsCheckedKeptAndReported) {
  Apt apt = Fresh("download");
  ASSERT_TRUE(apt.Update(Soon(), {}).ok());
  const auto plan = apt.Resolve({}, {"app"}, Soon(), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  std::vector<int> told;
  const auto progress = [&](int done, int, absl::string_view) { told.push_back(done); };
  const auto first = apt.Download(*plan, progress, Soon(), {});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(told, ElementsAre(1, 2));
  for (size_t i = 0; i < first->size(); ++i) {
    EXPECT_FALSE(std::filesystem::is_symlink((*first)[i])) << "the cache does not depend on the mirror";
    EXPECT_EQ(*Sha256::OfFile((*first)[i]), plan->packages[i].sha256);
  }
  // A damaged file of the cache is fetched again.
  std::ofstream((*first)[0], std::ios::binary) << "damaged";
  const auto second = apt.Download(*plan, nullptr, Soon(), {});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*Sha256::OfFile((*second)[0]), plan->packages[0].sha256);
}

TEST_F(AptTest, WrongContentIsDataLoss) {
  Apt apt = Fresh("wrong");
  ASSERT_TRUE(apt.Update(Soon(), {}).ok());
  auto plan = apt.Resolve({}, {"unrelated"}, Soon(), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  plan->packages[0].sha256 = std::string(64, '0');
  const auto paths = apt.Download(*plan, nullptr, Soon(), {});
  EXPECT_EQ(paths.status().code(), absl::StatusCode::kDataLoss) << paths.status();
  EXPECT_THAT(std::string(paths.status().message()), HasSubstr("unrelated"));
}

TEST_F(AptTest, EveryPackageThatCannotBeHadIsNamed) {
  Apt apt = Fresh("unresolved");
  ASSERT_TRUE(apt.Update(Soon(), {}).ok());
  const auto plan = apt.Resolve({}, {"app", "nosuch", "idea", "liba=7", "broken", "--help"}, Soon(), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->packages.empty());
  std::map<std::string, std::string> why;
  for (const UnresolvedPackage& package : plan->unresolved) why[package.name] = package.why;
  EXPECT_EQ(why.size(), 5u);
  EXPECT_THAT(why["nosuch"], HasSubstr("no such package in test main (arm64)"));
  EXPECT_THAT(why["idea"], HasSubstr("provider, provider2"));
  EXPECT_THAT(why["liba"], HasSubstr("no version 7"));
  EXPECT_THAT(why["broken"], HasSubstr("depends on missing (>= 3)"));
  EXPECT_THAT(why["--help"], HasSubstr("not a package name"));
}

TEST_F(AptTest, UnknownSignerIsFailedPrecondition) {
  Must({"gpg", "--homedir", (at() / "gnupg").string(), "--batch", "--quiet", "--passphrase", "",
        "--quick-generate-key", "other", "ed25519", "sign", "never"});
  Must({"gpg", "--homedir", (at() / "gnupg").string(), "--quiet", "--yes", "--output",
        (at() / "other.gpg").string(), "--export", "other"});
  AptSource source = Source();
  source.keyring = at() / "other.gpg";
  Apt apt(at() / "signer", Architecture::kArm64, {source});
  const absl::Status updated = apt.Update(Soon(), {});
  EXPECT_EQ(updated.code(), absl::StatusCode::kFailedPrecondition) << updated;
  EXPECT_FALSE(apt.Resolve({}, {"app"}, Soon(), {}).ok()) << "nothing of it is used";
}

TEST_F(AptTest, UnknownComponentIsNotFoundAndNamed) {
  AptSource source = Source();
  source.components.push_back("universe");
  Apt apt(at() / "component", Architecture::kArm64, {source});
  const absl::Status updated = apt.Update(Soon(), {});
  EXPECT_TRUE(absl::IsNotFound(updated)) << updated;
  EXPECT_THAT(std::string(updated.message()), HasSubstr("universe"));
}

TEST_F(AptTest, UnreachableMirrorIsUnavailable) {
  AptSource source = Source();
  // Port 1 is nobody's.
  source.mirror = "http://127.0.0.1:1/debian";
  Apt apt(at() / "unreachable", Architecture::kArm64, {source});
  const absl::Status updated = apt.Update(Soon(), {});
  EXPECT_EQ(updated.code(), absl::StatusCode::kUnavailable) << updated;
}

TEST_F(AptTest, FreshIndexesAreNotFetchedAgain) {
  Apt apt = Fresh("fresh");
  ASSERT_TRUE(apt.Update(Soon(), {}).ok());
  std::filesystem::rename(at() / "mirror", at() / "gone");
  const absl::Status again = apt.Update(Soon(), {});
  std::filesystem::rename(at() / "gone", at() / "mirror");
  EXPECT_TRUE(again.ok()) << again;
}

TEST_F(AptTest, ResolveNeedsAnUpdate) {
  EXPECT_EQ(Fresh("never").Resolve({}, {"app"}, Soon(), {}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(AptTest, StopEndsIt) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Fresh("stopped").Update(Soon(), stop.get_token()).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace rootwright
