#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>

#include "base/file.h"
#include "base/sha256.h"
#include "base/subprocess.h"
#include "vmimages/ext4.h"
#include "vmimages/overlay.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

class DiskTest : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = ScopedFolder::Create(testing::TempDir(), "disk-");
    ASSERT_TRUE(folder.ok()) << folder.status();
    folder_.emplace(*std::move(folder));
    ASSERT_TRUE(MakeFolders(tree() / "etc").ok());
    ASSERT_TRUE(WriteFileAtomically(tree() / "etc/motd", "hello\n", 0640).ok());
    fs::create_symlink("motd", tree() / "etc/link");
  }

  fs::path tree() const { return folder_->path() / "tree"; }
  fs::path image() const { return folder_->path() / "image"; }
  Deadline Soon() const { return Deadline::In(absl::Minutes(2)); }

  absl::Status MakeImage(int64_t size_bytes) {
    return MakeExt4(tree(), image(), size_bytes, "data", Soon(), {});
  }

  std::string Output(std::vector<std::string> argv) {
    const auto result = CheckSubprocess({.argv = std::move(argv)}, Soon(), {});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->output : "";
  }

  std::optional<ScopedFolder> folder_;
};

TEST_F(DiskTest, Ext4HoldsTheFolder) {
  ASSERT_TRUE(MakeImage(64 * kMiB).ok());
  EXPECT_EQ(Output({"debugfs", "-R", "cat /etc/motd", image().string()}), "hello\n");
  EXPECT_THAT(Output({"debugfs", "-R", "stat /etc/motd", image().string()}), HasSubstr("Mode:  0640"));
  EXPECT_THAT(Output({"debugfs", "-R", "stat /etc/link", image().string()}),
              HasSubstr("Fast link dest: \"motd\""));
  Output({"e2fsck", "-f", "-n", image().string()});
}

TEST_F(DiskTest, Ext4HoldsNothingElse) {
  ASSERT_TRUE(MakeImage(64 * kMiB).ok());
  EXPECT_THAT(Output({"debugfs", "-R", "ls -p /", image().string()}), testing::Not(HasSubstr("lost+found")));
}

TEST_F(DiskTest, Ext4IsTheSameForTheSameFolder) {
  // The first reading of fresh files changes their access times, which are in the image.
  ASSERT_TRUE(MakeImage(64 * kMiB).ok());
  ASSERT_TRUE(MakeImage(64 * kMiB).ok());
  const std::string first = Sha256::OfFile(image()).value();
  ASSERT_TRUE(MakeImage(64 * kMiB).ok());
  EXPECT_EQ(Sha256::OfFile(image()).value(), first);
}

TEST_F(DiskTest, Ext4LeavesTheKernelNothingToInitialise) {
  ASSERT_TRUE(MakeImage(2048 * kMiB).ok());
  const std::string groups = Output({"dumpe2fs", image().string()});
  size_t all = 0, zeroed = 0;
  for (size_t at = 0; (at = groups.find(": (Blocks ", at)) != std::string::npos; ++at) ++all;
  for (size_t at = 0; (at = groups.find("ITABLE_ZEROED", at)) != std::string::npos; ++at) ++zeroed;
  EXPECT_EQ(all, 16u);
  EXPECT_EQ(zeroed, all);
}

TEST_F(DiskTest, Ext4IsSparseAndLeavesALargerFileItsSize) {
  std::ofstream(image()) << "something that was here before";
  fs::resize_file(image(), 600 * kMiB);
  ASSERT_TRUE(MakeImage(512 * kMiB).ok());
  struct stat info;
  ASSERT_EQ(stat(image().c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 600 * kMiB);
  EXPECT_LT(info.st_blocks * 512, 32 * kMiB);
}

TEST_F(DiskTest, Ext4SaysWhenTheFolderDoesNotFit) {
  std::ofstream(tree() / "large") << std::string(20 * kMiB, 'x');
  const absl::Status status = MakeImage(16 * kMiB);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(image().string()));
}

TEST_F(DiskTest, OverlayReadsFromItsBase) {
  ASSERT_TRUE(MakeImage(64 * kMiB).ok());
  const fs::path overlay = folder_->path() / "overlay.qcow2";
  const absl::Status status = CreateOverlay(image(), DiskFormat::kRaw, overlay, Soon(), {});
  ASSERT_TRUE(status.ok()) << status;
  const std::string info = Output({"qemu-img", "info", overlay.string()});
  EXPECT_THAT(info, HasSubstr("virtual size: 64 MiB"));
  EXPECT_THAT(info, HasSubstr("backing file: " + image().string()));
  EXPECT_THAT(info, HasSubstr("backing file format: raw"));
}

TEST_F(DiskTest, OverlayIsNeverWrittenOverAnother) {
  ASSERT_TRUE(MakeImage(64 * kMiB).ok());
  const fs::path overlay = folder_->path() / "overlay.qcow2";
  ASSERT_TRUE(CreateOverlay(image(), DiskFormat::kRaw, overlay, Soon(), {}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(CreateOverlay(image(), DiskFormat::kRaw, overlay, Soon(), {})));
}

TEST_F(DiskTest, OverlayOfNothingIsAnError) {
  const absl::Status status =
      CreateOverlay(folder_->path() / "missing", DiskFormat::kQcow2, folder_->path() / "overlay", Soon(), {});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("missing"));
  EXPECT_FALSE(fs::exists(folder_->path() / "overlay"));
}

}  // namespace
}  // namespace rootwright
