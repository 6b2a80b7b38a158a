#include "executors/rootfs/spec/overlay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Overlay : public testing::Test {
 protected:
  Overlay() : folder_(*ScopedFolder::Create(fs::temp_directory_path(), "overlay-")) {
    fs::create_directories(tree());
    fs::create_directories(overlay());
  }

  fs::path spec() const { return folder_.path() / "spec"; }
  fs::path overlay() const { return spec() / "post_install_overlay"; }
  fs::path tree() const { return folder_.path() / "tree"; }
  fs::path outside() const { return folder_.path() / "outside"; }

  static void Write(const fs::path& path, const std::string& content, mode_t mode = 0640) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
    chmod(path.c_str(), mode);
  }
  std::string Check() const { return FormatProblems(CheckOverlay(spec(), "post_install_overlay")); }
  static mode_t ModeOf(const fs::path& path) {
    struct stat info {};
    return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  ScopedFolder folder_;
};

TEST_F(Overlay, MissingOneIsEmpty) {
  EXPECT_THAT(CheckOverlay(spec(), "pre_install_overlay"), IsEmpty());
  EXPECT_TRUE(PlaceOverlay(spec() / "pre_install_overlay", tree()).ok());
}

TEST_F(Overlay, FilesFoldersAndLinksInsideAreFine) {
  Write(overlay() / "etc/motd", "hi");
  fs::create_symlink("../usr/bin", overlay() / "etc/programs");
  fs::create_symlink("/usr/share/zoneinfo/Etc/UTC", overlay() / "etc/localtime");
  EXPECT_EQ(Check(), "");
}

TEST_F(Overlay, ThatIsALinkIsRefused) {
  fs::remove(overlay());
  fs::create_directory_symlink("/etc", overlay());
  EXPECT_THAT(Check(), HasSubstr("post_install_overlay: error: is a link"));
}

TEST_F(Overlay, LinkThatClimbsOutIsRefusedWithItsPath) {
  fs::create_directories(overlay() / "etc");
  fs::create_symlink("../../etc/passwd", overlay() / "etc/bad");
  fs::create_symlink("/../x", overlay() / "etc/worse");
  EXPECT_THAT(Check(), HasSubstr("post_install_overlay/etc/bad: error: the link leaves the root by '..'"));
  EXPECT_THAT(Check(), HasSubstr("post_install_overlay/etc/worse: error: the link leaves the root"));
}

TEST_F(Overlay, SpecialFilesAreRefused) {
  ASSERT_EQ(mkfifo((overlay() / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(Check(), HasSubstr("post_install_overlay/pipe: error: only files, folders and links"));
}

TEST_F(Overlay, IsPlacedWithTheModesThatGitKeeps) {
  Write(overlay() / "etc/motd", "hello\n", 0600);
  Write(overlay() / "usr/local/bin/tool", "#!/bin/sh\n", 0700);
  fs::create_symlink("motd", overlay() / "etc/greeting");
  fs::create_directories(tree() / "etc");
  chmod((tree() / "etc").c_str(), 0700);
  ASSERT_TRUE(PlaceOverlay(overlay(), tree()).ok());
  EXPECT_EQ(*ReadFile(tree() / "etc/motd"), "hello\n");
  EXPECT_EQ(ModeOf(tree() / "etc/motd"), 0644U);
  EXPECT_EQ(ModeOf(tree() / "usr/local/bin/tool"), 0755U);
  EXPECT_EQ(ModeOf(tree() / "usr/local"), 0755U);
  EXPECT_EQ(ModeOf(tree() / "etc"), 0700U) << "folders of the tree keep their mode";
  EXPECT_EQ(fs::read_symlink(tree() / "etc/greeting"), "motd");
}

TEST_F(Overlay, FollowsFolderLinksOfTheTreeInsideIt) {
  fs::create_directories(tree() / "usr/lib");
  fs::create_directory_symlink("usr/lib", tree() / "lib");
  Write(overlay() / "lib/firmware/x.bin", "x");
  ASSERT_TRUE(PlaceOverlay(overlay(), tree()).ok());
  EXPECT_TRUE(fs::is_symlink(tree() / "lib"));
  EXPECT_TRUE(fs::exists(tree() / "usr/lib/firmware/x.bin"));
}

TEST_F(Overlay, AbsoluteLinkInTheTreeNeverLeadsOut) {
  fs::create_directories(outside());
  fs::create_directory_symlink(outside(), tree() / "data");
  Write(overlay() / "data/file", "x");
  EXPECT_FALSE(PlaceOverlay(overlay(), tree()).ok());
  EXPECT_TRUE(fs::is_empty(outside()));
}

TEST_F(Overlay, ClimbingLinkInTheTreeNeverLeadsOut) {
  fs::create_directories(outside());
  fs::create_directory_symlink("../../../../../../.." + outside().string(), tree() / "data");
  Write(overlay() / "data/file", "x");
  EXPECT_FALSE(PlaceOverlay(overlay(), tree()).ok());
  EXPECT_TRUE(fs::is_empty(outside()));
}

TEST_F(Overlay, FileLinkInTheTreeIsReplacedNotFollowed) {
  Write(outside() / "file", "untouched");
  fs::create_symlink(outside() / "file", tree() / "motd");
  Write(overlay() / "motd", "new");
  ASSERT_TRUE(PlaceOverlay(overlay(), tree()).ok());
  EXPECT_EQ(*ReadFile(outside() / "file"), "untouched");
  EXPECT_FALSE(fs::is_symlink(tree() / "motd"));
}

TEST_F(Overlay, FileOnTopOfAFolderIsNamed) {
  fs::create_directories(tree() / "etc/motd");
  Write(overlay() / "etc/motd", "x");
  const absl::Status status = PlaceOverlay(overlay(), tree());
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/etc/motd"));
}

}  // namespace
}  // namespace rootwright
