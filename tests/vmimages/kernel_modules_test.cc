#include "vmimages/kernel_modules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/file.h"

namespace rootwright {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string ModuleText(absl::string_view depends) {
  return absl::StrCat(absl::string_view("\x7f"
                                        "ELF\0license=GPL\0depends=",
                                        25),
                      depends, absl::string_view("\0intree=Y\0", 10));
}

class KernelModulesTest : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = ScopedFolder::Create(testing::TempDir(), "modules-");
    ASSERT_TRUE(folder.ok()) << folder.status();
    folder_.emplace(*std::move(folder));
    Put("modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/crypto/crc32c_generic.ko\n");
    Put("kernel/virtio.ko", ModuleText(""));
    Put("kernel/virtio_ring.ko", ModuleText("virtio"));
    Put("kernel/virtio-pci.ko", ModuleText("virtio_pci_lib,virtio,virtio_ring"));
    Put("kernel/virtio_pci_lib.ko", ModuleText("virtio,virtio_ring,ext4"));
    Put("kernel/virtio_blk.ko", ModuleText("virtio,virtio_ring"));
  }

  void Put(const std::string& name, absl::string_view content) {
    ASSERT_TRUE(MakeFolders((folder_->path() / name).parent_path()).ok());
    ASSERT_TRUE(WriteFileAtomically(folder_->path() / name, content).ok());
  }

  absl::StatusOr<std::vector<std::string>> Order(const std::vector<std::string>& wanted) {
    const absl::StatusOr<KernelModules> modules = KernelModules::Read(folder_->path());
    if (!modules.ok()) return modules.status();
    const absl::StatusOr<std::vector<std::filesystem::path>> files = modules->LoadOrder(wanted);
    if (!files.ok()) return files.status();
    std::vector<std::string> names;
    for (const std::filesystem::path& file : *files) names.push_back(file.filename().string());
    return names;
  }

  std::optional<ScopedFolder> folder_;
};

TEST_F(KernelModulesTest, LoadsWhatIsNeededFirstAndEachOnce) {
  const auto order = Order({"virtio_pci", "virtio_blk"});
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_THAT(*order, ElementsAre("virtio.ko", "virtio_ring.ko", "virtio_pci_lib.ko", "virtio-pci.ko",
                                  "virtio_blk.ko"));
}

TEST_F(KernelModulesTest, LeavesOutWhatIsBuiltIn) {
  const auto order = Order({"ext4", "crc32c_generic"});
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_THAT(*order, IsEmpty());
}

TEST_F(KernelModulesTest, NamesAModuleThatTheKernelLacks) {
  const auto order = Order({"virtio_blk", "frobnicator"});
  EXPECT_TRUE(absl::IsNotFound(order.status()));
  EXPECT_THAT(std::string(order.status().message()), HasSubstr("frobnicator"));
}

TEST_F(KernelModulesTest, NamesANeededModuleThatTheKernelLacks) {
  Put("kernel/overlay.ko", ModuleText("gone"));
  const auto order = Order({"overlay"});
  EXPECT_TRUE(absl::IsNotFound(order.status()));
  EXPECT_THAT(std::string(order.status().message()), HasSubstr("gone"));
}

TEST_F(KernelModulesTest, EndsOnModulesThatNeedEachOther) {
  Put("kernel/a.ko", ModuleText("b"));
  Put("kernel/b.ko", ModuleText("a"));
  const auto order = Order({"a"});
  ASSERT_TRUE(order.ok()) << order.status();
  EXPECT_THAT(*order, ElementsAre("b.ko", "a.ko"));
}

TEST_F(KernelModulesTest, RefusesAFileThatIsNoModule) {
  Put("kernel/overlay.ko", "not an ELF file");
  const auto order = Order({"overlay"});
  EXPECT_TRUE(absl::IsDataLoss(order.status()));
  EXPECT_THAT(std::string(order.status().message()), HasSubstr("overlay.ko"));
}

TEST(ModuleNeeds, RefusesAListThatDoesNotEnd) {
  const std::string text("\0depends=virtio", 15);
  EXPECT_TRUE(absl::IsDataLoss(ModuleNeeds(text).status()));
}

TEST(ModuleNameOf, IsTheKernelsNameOfAFile) {
  EXPECT_EQ(ModuleNameOf("kernel/drivers/char/hw_random/virtio-rng.ko"), "virtio_rng");
  EXPECT_EQ(ModuleNameOf("overlay"), "overlay");
}

}  // namespace
}  // namespace rootwright
