#include "debian/package_unpacker.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/status.h"
#include "base/unique_fd.h"
#include "debian/dpkg_database.h"
#include "tests/debian/deb_maker.h"

namespace rootwright {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class PackageUnpackerTest : public ::testing::Test {
 protected:
  PackageUnpackerTest()
      : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-")) {
    std::filesystem::create_directory(tree());
  }
  std::filesystem::path tree() const { return folder_.path() / "tree"; }
  std::string Get(const std::string& path) const {
    const auto content = ReadFile(tree() / path);
    return content.ok() ? *content : "(" + std::string(content.status().message()) + ")";
  }
  mode_t ModeOf(const std::string& path) const {
    struct stat found {};
    EXPECT_EQ(lstat((tree() / path).c_str(), &found), 0) << path;
    return found.st_mode;
  }

  absl::StatusOr<std::vector<UnpackedPackage>> Unpack(const std::vector<TestPackage>& packages,
                                                      int threads = 2) {
    std::vector<std::filesystem::path> debs;
    for (const TestPackage& package : packages) debs.push_back(MakeDeb(folder_.path() / "made", package));
    return UnpackDebs(debs, threads);
  }
  absl::StatusOr<std::vector<UnpackedPackage>> UnpackDebs(const std::vector<std::filesystem::path>& debs,
                                                          int threads) {
    std::vector<UniqueFd> open_files;
    UnpackJob job;
    job.architecture = Architecture::kArm64;
    job.threads = threads;
    for (const std::filesystem::path& deb : debs) {
      open_files.emplace_back(open(deb.c_str(), O_RDONLY | O_CLOEXEC));
      RW_ASSIGN_OR_RETURN(DebFile file, DebFile::Open(open_files.back().get(), deb.filename().string()));
      job.packages.push_back(std::move(file));
    }
    return UnpackInto(tree(), job);
  }

 private:
  ScopedFolder folder_;
};

TEST_F(PackageUnpackerTest, FilesLandInMergedUsr) {
  const auto unpacked = Unpack({{.name = "tool", .files = {{"bin/tool", "x"}, {"lib/libtool.so", "y"}}}});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(Get("usr/bin/tool"), "x");
  EXPECT_EQ(Get("usr/lib/libtool.so"), "y");
  EXPECT_TRUE(S_ISLNK(ModeOf("bin"))) << "a folder does not replace the symlink";
  EXPECT_THAT((*unpacked)[0].paths, ElementsAre("", "bin", "bin/tool", "lib", "lib/libtool.so"));
}

TEST_F(PackageUnpackerTest, LaterPackageWinsAFileAndTheOtherOneForgetsIt) {
  for (const int threads : {1, 4}) {
    std::filesystem::remove_all(tree());
    std::filesystem::create_directory(tree());
    // The first is larger and so is unpacked first; the path is spelled in two ways.
    const auto unpacked =
        Unpack({{.name = "aa", .files = {{"bin/shared", "from aa"}, {"usr/aa", std::string(1 << 20, 'a')}}},
                {.name = "bb", .files = {{"usr/bin/shared", "from bb"}}},
                {.name = "cc", .files = {{"usr/cc", std::string(2 << 20, 'c')}}}},
               threads);
    ASSERT_TRUE(unpacked.ok()) << unpacked.status();
    EXPECT_EQ(Get("usr/bin/shared"), "from bb");
    EXPECT_THAT((*unpacked)[0].paths, Not(Contains("bin/shared")));
    EXPECT_THAT((*unpacked)[1].paths, Contains("usr/bin/shared"));
  }
}

TEST_F(PackageUnpackerTest, BaseFilesDecidesFolderModes) {
  const auto narrow = [](const std::filesystem::path& root) { chmod((root / "var/x").c_str(), 0700); };
  const auto sticky = [](const std::filesystem::path& root) { chmod((root / "var/x").c_str(), 01777); };
  const auto unpacked = Unpack({{.name = "aa", .files = {{"var/x/a", "x"}}, .finish = narrow},
                                {.name = "base-files", .files = {{"var/x/b", "x"}}, .finish = sticky}});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(ModeOf("var/x") & 07777, 01777u);
}

TEST_F(PackageUnpackerTest, HardlinksAndSymlinksAreKept) {
  const auto links = [](const std::filesystem::path& root) {
    std::filesystem::create_hard_link(root / "usr/bin/a", root / "usr/bin/b");
    std::filesystem::create_symlink("/usr/bin/a", root / "usr/bin/c");
  };
  ASSERT_TRUE(Unpack({{.name = "links", .files = {{"usr/bin/a", "x"}}, .finish = links}}).ok());
  EXPECT_TRUE(std::filesystem::equivalent(tree() / "usr/bin/a", tree() / "usr/bin/b"));
  EXPECT_EQ(std::filesystem::read_symlink(tree() / "usr/bin/c"), "/usr/bin/a");
}

TEST_F(PackageUnpackerTest, SymlinkOfAPackageDoesNotLeadOut) {
  const std::filesystem::path outside = tree().parent_path() / "outside";
  std::filesystem::create_directory(outside);
  const auto link = [&](const std::filesystem::path& root) {
    std::filesystem::create_directory_symlink(outside, root / "way");
  };
  const auto up = [](const std::filesystem::path& root) {
    std::filesystem::create_directory_symlink("../../outside", root / "up");
  };
  // The files come in packages of their own, unpacked later.
  const auto unpacked = Unpack({{.name = "base-files",
                                 .finish =
                                     [&](const std::filesystem::path& root) {
                                       link(root);
                                       up(root);
                                     }},
                                {.name = "evil", .files = {{"way/secret", "x"}, {"up/secret", "x"}}}});
  EXPECT_FALSE(unpacked.ok()) << "the folders do not exist inside the tree";
  EXPECT_TRUE(std::filesystem::is_empty(outside));
}

TEST_F(PackageUnpackerTest, DamagedPackageIsNamed) {
  const std::filesystem::path good =
      MakeDeb(tree().parent_path(), {.name = "good", .files = {{"usr/g", "x"}}});
  const std::filesystem::path bad =
      MakeDeb(tree().parent_path(), {.name = "bad", .files = {{"usr/b", std::string(100'000, 'x')}}});
  std::fstream file(bad, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(bad)) - 200);
  file << std::string(100, '\xff');
  file.close();
  const auto unpacked = UnpackDebs({good, bad}, 2);
  EXPECT_EQ(unpacked.status().code(), absl::StatusCode::kDataLoss) << unpacked.status();
  EXPECT_THAT(std::string(unpacked.status().message()), HasSubstr("bad_1.0_arm64.deb"));
}

TEST_F(PackageUnpackerTest, DatabaseIsWhatDpkgReads) {
  const auto unpacked = Unpack({{.name = "libx",
                                 .fields = "Multi-Arch: same\n",
                                 .files = {{"usr/lib/x", "x"}},
                                 .control = {{"triggers", "interest-noawait /usr/lib\nactivate ldconfig\n"}}},
                                {.name = "app",
                                 .version = "1:2.0",
                                 .fields = "Depends: libx\n",
                                 .files = {{"etc/app.conf", "setting\n"}, {"usr/bin/app", "y"}},
                                 .control = {{"conffiles", "/etc/app.conf\n"},
                                             {"postinst", "#!/bin/sh\n"},
                                             {"preinst", "#!/bin/sh\n"},
                                             {"triggers", "interest named\n"}}}});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  const absl::Status written = WriteDpkgDatabase(tree(), Architecture::kArm64, *unpacked);
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_EQ(Get("var/lib/dpkg/info/libx:arm64.list"), "/.\n/usr\n/usr/lib\n/usr/lib/x\n");
  EXPECT_EQ(Get("var/lib/dpkg/info/libx:arm64.md5sums"), "9dd4e461268c8034f5c8564e155c67a6  usr/lib/x\n")
      << "the package has none";
  EXPECT_EQ(Get("var/lib/dpkg/triggers/File"), "/usr/lib libx:arm64/noawait\n");
  EXPECT_EQ(Get("var/lib/dpkg/triggers/named"), "app\n");
  EXPECT_EQ(Get("var/lib/dpkg/info/format"), "1\n");
  EXPECT_EQ(Get("var/lib/dpkg/arch"), "arm64\n");
  EXPECT_EQ(ModeOf("var/lib/dpkg/info/app.preinst") & 0777, 0755u);
  EXPECT_THAT(Get("var/lib/dpkg/status"),
              HasSubstr("Conffiles:\n /etc/app.conf 2c1d4f59f062ce424618f4d25961fb76\n"));
  EXPECT_EQ(Get("etc/app.conf"), "setting\n");

  SubprocessSpec query{.argv = {"dpkg-query", "--admindir", (tree() / "var/lib/dpkg").string(), "-W", "-f",
                                "${Package} ${Version} ${db:Status-Status}\n"}};
  const auto said = CheckSubprocess(query, Deadline::In(absl::Minutes(1)), {});
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(said->output, "app 1:2.0 unpacked\nlibx 1.0 unpacked\n");
}

TEST_F(PackageUnpackerTest, DatabaseDoesNotFollowASymlinkOut) {
  const std::filesystem::path outside = tree().parent_path() / "outside";
  std::filesystem::create_directories(outside);
  const auto link = [&](const std::filesystem::path& root) {
    std::filesystem::create_directories(root / "var/lib");
    std::filesystem::create_directory_symlink(outside, root / "var/lib/dpkg");
  };
  const auto unpacked = Unpack({{.name = "evil", .finish = link}});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_FALSE(WriteDpkgDatabase(tree(), Architecture::kArm64, *unpacked).ok());
  EXPECT_TRUE(std::filesystem::is_empty(outside));
}

}  // namespace
}  // namespace rootwright
