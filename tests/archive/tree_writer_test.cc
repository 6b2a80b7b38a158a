#include "archive/tree_writer.h"

#include <gmock/gmock.h>

#include "tests/archive/test_tree.h"

namespace rootwright {
namespace {

using Kind = TarEntry::Kind;

class TreeWriterTest : public TestTree {
 protected:
  TreeWriter Writer(TreeWriter::Links links) const { return *TreeWriter::Create(tree(), links); }
  static absl::Status Make(TreeWriter& writer, const TestEntry& made) {
    absl::string_view left = made.content;
    return writer.Make(
        made.entry,
        [&](std::span<char> into) -> absl::StatusOr<size_t> {
          const size_t size = std::min(left.size(), into.size());
          std::copy_n(left.begin(), size, into.begin());
          left.remove_prefix(size);
          return size;
        },
        1 << 20);
  }
};

TEST_F(TreeWriterTest, AbsoluteSymlinkIsFollowedWithinTheTree) {
  std::filesystem::create_directories(tree() / "usr/lib");
  std::filesystem::create_directory_symlink("/usr/lib", tree() / "lib");
  TreeWriter writer = Writer(TreeWriter::Links::kFollowInside);
  ASSERT_TRUE(Make(writer, FileEntry("lib/x", "content")).ok());
  EXPECT_EQ(Get("usr/lib/x"), "content");
}

TEST_F(TreeWriterTest, SymlinkAboveTheTreeEndsAtItsTop) {
  std::filesystem::create_directory_symlink("../../../..", tree() / "up");
  TreeWriter writer = Writer(TreeWriter::Links::kFollowInside);
  ASSERT_TRUE(Make(writer, FileEntry("up/x", "content")).ok());
  EXPECT_EQ(Get("x"), "content");
}

TEST_F(TreeWriterTest, SymlinkToAFolderCountsAsFolderOnlyWhenFollowed) {
  std::filesystem::create_directories(tree() / "usr/bin");
  std::filesystem::create_directory_symlink("usr/bin", tree() / "bin");
  TreeWriter following = Writer(TreeWriter::Links::kFollowInside);
  TreeWriter refusing = Writer(TreeWriter::Links::kRefuse);
  EXPECT_TRUE(following.MakeFolder("bin").ok());
  EXPECT_EQ(refusing.MakeFolder("bin").status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(TreeWriterTest, ExistingNamesAreNotOverwritten) {
  Put("a", "before");
  TreeWriter writer = Writer(TreeWriter::Links::kRefuse);
  EXPECT_EQ(Make(writer, FileEntry("a", "after")).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Get("a"), "before");
}

TEST_F(TreeWriterTest, ModeSurvivesTheChangeOfOwner) {
  TreeWriter writer = Writer(TreeWriter::Links::kRefuse);
  ASSERT_TRUE(Make(writer, FileEntry("su", "x", 06755)).ok());
  EXPECT_EQ(Look("su").st_mode & 07777, 06755u);
}

TEST_F(TreeWriterTest, RemoveFileLeavesFolders) {
  Put("a/b", "x");
  TreeWriter writer = Writer(TreeWriter::Links::kRefuse);
  EXPECT_EQ(writer.RemoveFile("a").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(writer.RemoveFile("a/b").ok());
  EXPECT_TRUE(writer.RemoveFile("a/b").ok()) << "nothing there is fine";
}

}  // namespace
}  // namespace rootwright
