#include "vmimages/machine_root.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <optional>

#include "base/file.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

class MachineRootTest : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = ScopedFolder::Create(testing::TempDir(), "root-");
    ASSERT_TRUE(folder.ok()) << folder.status();
    folder_.emplace(*std::move(folder));
    Put("usr/share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\n");
    Put("usr/share/base-passwd/group.master", "root:*:0:\n");
    Put("usr/share/base-files/profile", "# profile\n");
    Put("usr/share/base-files/dot.profile", "# dot.profile\n");
    Put("usr/share/base-files/dot.bashrc", "# dot.bashrc\n");
    Put("usr/bin/mawk", "mawk");
    Put("usr/share/doc/mawk/copyright", "…");
    Put("etc/mawkrc", "");
  }

  void Put(const std::string& name, absl::string_view content) {
    ASSERT_TRUE(MakeFolders((root() / name).parent_path()).ok());
    ASSERT_TRUE(WriteFileAtomically(root() / name, content).ok());
  }
  const fs::path& root() const { return folder_->path(); }
  mode_t Mode(const std::string& name) const {
    struct stat info;
    return stat((root() / name).c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }

  std::optional<ScopedFolder> folder_;
};

TEST_F(MachineRootTest, HasWhatProgramsExpect) {
  ASSERT_TRUE(FinishMachineRoot(root()).ok());
  EXPECT_EQ(ReadFile(root() / "etc/passwd").value(), "root:*:0:0:root:/root:/bin/bash\n");
  EXPECT_EQ(ReadFile(root() / "etc/group").value(), "root:*:0:\n");
  EXPECT_EQ(ReadFile(root() / "etc/machine-id").value(), "");
  EXPECT_EQ(ReadFile(root() / "etc/resolv.conf").value(), "");
  EXPECT_EQ(fs::read_symlink(root() / "usr/bin/awk"), "mawk");
  EXPECT_EQ(fs::read_symlink(root() / "usr/bin/sh"), "dash");
  EXPECT_EQ(Mode("tmp"), 01777u);
  EXPECT_EQ(Mode("var/tmp"), 01777u);
  EXPECT_EQ(Mode("root"), 0700u);
  EXPECT_EQ(Mode(""), 0755u);
}

TEST_F(MachineRootTest, LosesWhatNobodyReads) {
  ASSERT_TRUE(FinishMachineRoot(root()).ok());
  EXPECT_FALSE(fs::exists(root() / "usr/share/doc"));
  EXPECT_TRUE(fs::exists(root() / "etc/mawkrc"));
}

TEST_F(MachineRootTest, MayBeFinishedTwice) {
  ASSERT_TRUE(FinishMachineRoot(root()).ok());
  const absl::Status again = FinishMachineRoot(root());
  EXPECT_TRUE(again.ok()) << again;
}

TEST_F(MachineRootTest, SaysWhatATreeLacks) {
  fs::remove(root() / "usr/share/base-passwd/group.master");
  const absl::Status status = FinishMachineRoot(root());
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("group.master"));
}

}  // namespace
}  // namespace rootwright
