#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "base/random.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "executors/container/container_inspection.h"
#include "executors/container/mounts.h"
#include "tests/executors/container/container_host.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;

constexpr int kImageFile = 64 << 20;
constexpr IdRange kIds{.first = 0x70000000};

void Call(const std::vector<std::string>& argv) {
  const auto result = CheckSubprocess({.argv = argv}, Deadline::In(absl::Minutes(1)), {});
  ASSERT_TRUE(result.ok()) << result.status();
}

// A file system of its own in a file, mounted below the host's folder.
class CopyOnWriteTest : public ::testing::Test {
 protected:
  ~CopyOnWriteTest() override { umount2(folder_.c_str(), MNT_DETACH); }

  void Mount(const std::string& make, const std::string& kind) {
    std::filesystem::create_directories(folder_);
    const std::filesystem::path disk = scratch_.path() / "disk";
    std::ofstream(disk).close();
    std::filesystem::resize_file(disk, 512 << 20);
    Call({make, "-q", disk.string()});
    Call({"mount", "-t", kind, "-o", "loop", disk.string(), folder_.string()});
  }

  // What a container that appends a byte to a large file of its image takes of the disk.
  int64_t CostOfOneByte() {
    const std::filesystem::path file = folder_ / "image/large";
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << RandomHex(kImageFile);
    EXPECT_TRUE(MountShiftedOverlay(folder_ / "image", folder_ / "layers", kIds, folder_ / "root").ok());
    sync();
    const int64_t before = FreeBytes(folder_).value_or(0);
    std::ofstream(folder_ / "root/large", std::ios::app) << "x";
    sync();
    const int64_t cost = before - FreeBytes(folder_).value_or(0);
    EXPECT_EQ(std::filesystem::file_size(folder_ / "root/large"), kImageFile + 1);
    EXPECT_EQ(std::filesystem::file_size(file), kImageFile);
    EXPECT_TRUE(UnmountBelow(folder_).ok());
    return cost;
  }

  std::string Told() const {
    return DescribeCopyOnWrite({.work_folder = folder_ / "work", .image_folder = folder_ / "images"}).finding;
  }

  ScopedFolder scratch_ = *ScopedFolder::Create(ContainerHost::Get().folder(), "cow-");
  const std::filesystem::path folder_ = scratch_.path() / "mounted";
};

TEST_F(CopyOnWriteTest, ChangedFileSharesItsBlocksWithTheImageOnBtrfs) {
  ASSERT_NO_FATAL_FAILURE(Mount("mkfs.btrfs", "btrfs"));
  EXPECT_THAT(Told(), HasSubstr("shares its blocks with the image"));
  EXPECT_LT(CostOfOneByte(), kImageFile / 8);
}

TEST_F(CopyOnWriteTest, ChangedFileIsCopiedOnExt4) {
  ASSERT_NO_FATAL_FAILURE(Mount("mkfs.ext4", "ext4"));
  EXPECT_THAT(Told(), HasSubstr("is copied whole"));
  EXPECT_GE(CostOfOneByte(), kImageFile);
}

}  // namespace
}  // namespace rootwright
