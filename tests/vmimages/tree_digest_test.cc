#include "vmimages/tree_digest.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>

#include "base/file.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

class TreeDigestTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(MakeFolders(tree() / "etc").ok());
    ASSERT_TRUE(WriteFileAtomically(tree() / "etc/passwd", "root\n", 0644).ok());
    ASSERT_EQ(symlink("passwd", (tree() / "etc/link").c_str()), 0);
  }
  fs::path tree() const { return folder_.path() / "tree"; }
  std::string Digest() const { return DigestTree(tree())->sha256; }

  ScopedFolder folder_ = *ScopedFolder::Create(testing::TempDir(), "tree-");
};

TEST_F(TreeDigestTest, IsTheSameForACopy) {
  const TreeDigest before = *DigestTree(tree());
  EXPECT_EQ(before.content_bytes, 5);
  EXPECT_EQ(before.sha256.size(), 64u);
  fs::copy(tree(), folder_.path() / "copy", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  EXPECT_EQ(DigestTree(folder_.path() / "copy")->sha256, before.sha256);
}

TEST_F(TreeDigestTest, ChangesWithEverythingButTimes) {
  const std::vector<std::function<void()>> changes = {
      [&] { ASSERT_TRUE(WriteFileAtomically(tree() / "etc/passwd", "toor\n", 0644).ok()); },
      [&] { chmod((tree() / "etc/passwd").c_str(), 04755); },
      [&] { chmod((tree() / "etc").c_str(), 0700); },
      [&] { chmod(tree().c_str(), 0711); },
      [&] { fs::rename(tree() / "etc/passwd", tree() / "etc/password"); },
      [&] {
        fs::remove(tree() / "etc/link");
        ASSERT_EQ(symlink("shadow", (tree() / "etc/link").c_str()), 0);
      },
      [&] { ASSERT_TRUE(MakeFolders(tree() / "empty").ok()); },
      [&] { ASSERT_EQ(mkfifo((tree() / "fifo").c_str(), 0600), 0); },
      [&] { ASSERT_EQ(setxattr((tree() / "etc").c_str(), "user.colour", "red", 3, 0), 0); },
  };
  std::string before = Digest();
  for (const auto& change : changes) {
    change();
    const std::string after = Digest();
    EXPECT_NE(after, before);
    before = after;
  }
  fs::last_write_time(tree() / "etc", fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EQ(Digest(), before);
}

TEST_F(TreeDigestTest, AFingerprintTellsThatSomebodyWrote) {
  const std::string before = *FingerprintTree(tree());
  EXPECT_EQ(*FingerprintTree(tree()), before);
  ASSERT_TRUE(WriteFileAtomically(tree() / "etc/passwd", "toor\n", 0644).ok());
  EXPECT_NE(*FingerprintTree(tree()), before);
}

TEST_F(TreeDigestTest, SaysWhatIsNotThere) {
  EXPECT_TRUE(absl::IsNotFound(DigestTree(folder_.path() / "nothing").status()));
}

}  // namespace
}  // namespace rootwright
