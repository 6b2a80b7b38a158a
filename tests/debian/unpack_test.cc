// UnpackPackages with the real program, which needs root for its namespaces.
#include "debian/unpack.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>

#include "archive/tree_jail.h"
#include "tests/debian/deb_maker.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;

class UnpackPackagesTest : public ::testing::Test {
 protected:
  UnpackPackagesTest()
      : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-")) {}
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_NE(std::getenv("ROOTWRIGHT_BIN"), nullptr) << "ctest sets it";
  }
  std::filesystem::path at() const { return folder_.path(); }

  absl::Status Unpack(const std::vector<std::filesystem::path>& debs,
                      std::vector<std::string>* told = nullptr, std::stop_token stop = {}) const {
    AptPlan plan;
    for (const auto& deb : debs) plan.packages.push_back({.name = deb.stem().string()});
    UnpackOptions options;
    options.tree = at() / "tree";
    options.architecture = Architecture::kArm64;
    options.unpack_program = std::filesystem::path(std::getenv("ROOTWRIGHT_BIN")) / "rootwright-unpack";
    const auto progress = [&](int, int, absl::string_view name) {
      if (told != nullptr) told->emplace_back(name);
    };
    return UnpackPackages(plan, debs, options, progress, Deadline::In(absl::Minutes(1)), stop);
  }

 private:
  ScopedFolder folder_;
};

TEST_F(UnpackPackagesTest, MakesATreeWithItsDatabaseAndReportsEachPackage) {
  std::vector<std::string> told;
  const absl::Status status = Unpack({MakeDeb(at(), {.name = "aa", .files = {{"usr/bin/aa", "x"}}}),
                                      MakeDeb(at(), {.name = "bb", .files = {{"usr/bin/bb", "y"}}})},
                                     &told);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(*ReadFile(at() / "tree/usr/bin/bb"), "y");
  EXPECT_THAT(*ReadFile(at() / "tree/var/lib/dpkg/status"),
              HasSubstr("Package: bb\nStatus: install ok unpacked"));
  EXPECT_THAT(told, ::testing::UnorderedElementsAre("aa_1.0_arm64", "bb_1.0_arm64"));
}

TEST_F(UnpackPackagesTest, AbsoluteSymlinkLeadsNowhereButIntoTheTree) {
  std::filesystem::create_directory(at() / "outside");
  const auto link = [&](const std::filesystem::path& root) {
    std::filesystem::create_directory_symlink(at() / "outside", root / "way");
  };
  const absl::Status status = Unpack({MakeDeb(at(), {.name = "base-files", .finish = link}),
                                      MakeDeb(at(), {.name = "evil", .files = {{"way/x", "evil"}}})});
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(std::filesystem::is_empty(at() / "outside"));
}

TEST_F(UnpackPackagesTest, DamagedPackageIsDataLossAndNamed) {
  ASSERT_TRUE(WriteFileAtomically(at() / "odd.deb", "no package").ok());
  const absl::Status status = Unpack({at() / "odd.deb"});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("odd.deb"));
}

TEST_F(UnpackPackagesTest, StopEndsIt) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Unpack({MakeDeb(at(), {.name = "aa"})}, nullptr, stop.get_token()).code(),
            absl::StatusCode::kCancelled);
}

TEST_F(UnpackPackagesTest, JailSeesNothingButTheTree) {
  std::filesystem::create_directory(at() / "tree");
  EXPECT_EXIT(
      {
        const bool ok = EnterTreeJail(at() / "tree").ok() && access("/etc/passwd", F_OK) != 0 &&
                        access(at().c_str(), F_OK) != 0 && std::filesystem::is_empty("/") &&
                        // Without CAP_SYS_CHROOT and CAP_SYS_ADMIN there is no way on.
                        chroot("/") != 0;
        _exit(ok ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace rootwright
