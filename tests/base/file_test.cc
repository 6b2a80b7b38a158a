#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

namespace rootwright {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<ScopedFolder> folder = ScopedFolder::Create(testing::TempDir(), "file-");
    ASSERT_TRUE(folder.ok());
    folder_.emplace(*std::move(folder));
  }
  std::optional<ScopedFolder> folder_;
};

TEST_F(FileTest, WriteReplacesTheWholeFileAndSetsTheMode) {
  const fs::path path = folder_->path() / "f";
  ASSERT_TRUE(WriteFileAtomically(path, "a longer first version").ok());
  ASSERT_TRUE(WriteFileAtomically(path, "second", 0600).ok());
  EXPECT_EQ(ReadFile(path).value(), "second");
  struct stat info;
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
}

TEST_F(FileTest, FailedWriteLeavesNothing) {
  fs::create_directory(folder_->path() / "taken");
  EXPECT_FALSE(WriteFileAtomically(folder_->path() / "taken", "x").ok());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_->path()), {}), 1);
}

TEST_F(FileTest, ReadRefusesWhatIsTooLarge) {
  const fs::path path = folder_->path() / "f";
  ASSERT_TRUE(WriteFileAtomically(path, "12345").ok());
  EXPECT_EQ(ReadFile(path, 4).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FileTest, AllocatedBytesLeaveHolesOut) {
  ASSERT_TRUE(MakeFolders(folder_->path() / "deep/er").ok());
  fs::create_symlink("/", folder_->path() / "deep/root");
  const absl::StatusOr<int64_t> before = AllocatedBytes(folder_->path());
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_LT(*before, 100 << 10);
  ASSERT_TRUE(WriteFileAtomically(folder_->path() / "deep/er/f", std::string(1 << 20, 'x')).ok());
  ASSERT_TRUE(WriteFileAtomically(folder_->path() / "holes", "").ok());
  fs::resize_file(folder_->path() / "holes", 1 << 30);
  const absl::StatusOr<int64_t> after = AllocatedBytes(folder_->path());
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(*after - *before, 1 << 20);
  EXPECT_LT(*after - *before, 2 << 20);
}

TEST_F(FileTest, AllocatedBytesOfNothingAreNotFound) {
  EXPECT_EQ(AllocatedBytes(folder_->path() / "absent").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(FileTest, ScopedFolderGoesWithItsContent) {
  fs::path path;
  {
    absl::StatusOr<ScopedFolder> inner = ScopedFolder::Create(folder_->path() / "new", "x-");
    ASSERT_TRUE(inner.ok());
    path = inner->path();
    ASSERT_TRUE(WriteFileAtomically(path / "f", "x").ok());
    const ScopedFolder moved = *std::move(inner);
    EXPECT_TRUE(fs::exists(path / "f"));
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace rootwright
