#include "vmimages/cpio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "base/file.h"
#include "base/subprocess.h"

namespace rootwright {
namespace {

std::string SmallArchive() {
  CpioWriter cpio;
  cpio.AddFolder("dev", 0755);
  cpio.AddCharacterDevice("dev/console", 0600, 5, 1);
  cpio.AddFile("init", 0755, "hello");
  cpio.AddSymlink("linuxrc", "init");
  return cpio.Finish();
}

TEST(CpioWriter, WritesTheHeaderThatTheKernelReads) {
  CpioWriter cpio;
  cpio.AddFile("a", 0644, "xyz");
  const std::string archive = cpio.Finish();
  EXPECT_EQ(archive.substr(0, 110),
            "070701"
            "00000001"
            "000081a4"
            "00000000"
            "00000000"
            "00000001"
            "00000000"
            "00000003"
            "00000000"
            "00000000"
            "00000000"
            "00000000"
            "00000002"
            "00000000");
  // Name with its NUL, and content, each padded to four bytes.
  EXPECT_EQ(archive.substr(110, 6), std::string("a\0xyz\0", 6));
  EXPECT_NE(archive.find("TRAILER!!!"), std::string::npos);
}

TEST(CpioWriter, FillsWholeBlocks) {
  EXPECT_EQ(SmallArchive().size() % 512, 0u);
  EXPECT_EQ(CpioWriter().Finish().size(), 512u);
}

TEST(CpioWriter, GivesEqualBytesForEqualContent) { EXPECT_EQ(SmallArchive(), SmallArchive()); }

TEST(CpioWriter, IsReadByAnotherProgram) {
  const auto folder = ScopedFolder::Create(testing::TempDir(), "cpio-");
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::filesystem::path file = folder->path() / "initrd";
  ASSERT_TRUE(WriteFileAtomically(file, SmallArchive()).ok());
  // libarchive's tar, which cmake brings along, reads cpio.
  const auto listing = CheckSubprocess({.argv = {"cmake", "-E", "tar", "tf", file.string()}},
                                       Deadline::In(absl::Minutes(1)), {});
  ASSERT_TRUE(listing.ok()) << listing.status();
  EXPECT_EQ(listing->output, "dev\ndev/console\ninit\nlinuxrc\n");
}

}  // namespace
}  // namespace rootwright
