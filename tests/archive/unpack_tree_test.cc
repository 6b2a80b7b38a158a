#include "archive/unpack_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/sysmacros.h>

#include <cstdlib>

#include "archive/jailed_changes.h"
#include "base/unique_fd.h"
#include "tests/archive/test_tree.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;
using Kind = TarEntry::Kind;

class UnpackTreeTest : public TestTree {
 protected:
  absl::StatusOr<UnpackedTree> Unpack(const std::string& tar, OverlayLimits limits = {}) const {
    EXPECT_TRUE(WriteFileAtomically(folder() / "root.tar", tar).ok());
    const UniqueFd archive(open((folder() / "root.tar").c_str(), O_RDONLY | O_CLOEXEC));
    return UnpackTree(archive.get(), "root.tar", tree(), limits, {}, Deadline::Never(), {});
  }
  absl::StatusOr<UnpackedTree> Unpack(const std::vector<TestEntry>& entries,
                                      OverlayLimits limits = {}) const {
    return Unpack(TarOf(entries), limits);
  }
  absl::Status Refusal(const std::vector<TestEntry>& entries) const { return Unpack(entries).status(); }
};

TEST_F(UnpackTreeTest, ARootComesOutAsItWas) {
  const auto unpacked = Unpack({EntryOf(Kind::kFolder, ""), EntryOf(Kind::kFolder, "usr"),
                                FileEntry("usr/su", "program", 04755), EntryOf(Kind::kSymlink, "bin", "usr"),
                                EntryOf(Kind::kHardlink, "usr/other", "usr/su"),
                                FileEntry("deep/below/it", "no folder of its own in the archive")});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(unpacked->entries, 6);
  EXPECT_EQ(Get("usr/su"), "program");
  EXPECT_EQ(Look("usr/su").st_mode & 07777, 04755u);
  EXPECT_EQ(Look("usr/su").st_ino, Look("usr/other").st_ino);
  EXPECT_EQ(Look("usr").st_mtime, 1'000'000'000) << "set after what was written into it";
  EXPECT_EQ(Get("deep/below/it").size(), 35U);
}

TEST_F(UnpackTreeTest, DeviceNodesAreLeftOut) {
  TestEntry console = EntryOf(Kind::kCharDevice, "dev/console");
  console.entry.device = makedev(5, 1);
  const auto unpacked =
      Unpack({EntryOf(Kind::kFolder, "dev"), console, EntryOf(Kind::kBlockDevice, "dev/loop0")});
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(unpacked->devices_left_out, 2);
  EXPECT_EQ(unpacked->entries, 1);
  EXPECT_FALSE(Exists(tree() / "dev/console"));
}

TEST_F(UnpackTreeTest, WhatWouldLeaveTheTreeIsRefused) {
  std::filesystem::create_directory(folder() / "outside");
  EXPECT_TRUE(absl::IsPermissionDenied(Refusal({FileEntry("../outside/x", "x")})));
  EXPECT_TRUE(absl::IsPermissionDenied(Refusal({FileEntry("/outside/x", "x")})));
  EXPECT_TRUE(absl::IsPermissionDenied(Refusal({EntryOf(Kind::kHardlink, "x", "../outside")})));
  const absl::Status through =
      Refusal({EntryOf(Kind::kSymlink, "way", "../outside"), FileEntry("way/x", "x")});
  EXPECT_TRUE(absl::IsPermissionDenied(through)) << through;
  EXPECT_TRUE(std::filesystem::is_empty(folder() / "outside"));
}

TEST_F(UnpackTreeTest, WhatIsNoWholeRootIsDataLoss) {
  EXPECT_TRUE(absl::IsDataLoss(Unpack(std::vector<TestEntry>{}).status())) << "an empty archive";
  EXPECT_TRUE(absl::IsDataLoss(Unpack(std::string("no archive")).status()));
  const std::string tar = TarOf({FileEntry("a", std::string(5000, 'a')), FileEntry("b", "b")});
  EXPECT_TRUE(absl::IsDataLoss(Unpack(tar.substr(0, 3000)).status()));
}

TEST_F(UnpackTreeTest, ANameMayStandOnce) {
  const absl::Status twice = Refusal({FileEntry("a", "1"), FileEntry("a", "2")});
  EXPECT_TRUE(absl::IsDataLoss(twice)) << twice;
  EXPECT_THAT(std::string(twice.message()), HasSubstr("a: stands in it twice"));
}

TEST_F(UnpackTreeTest, LimitsAreKept) {
  const std::vector<TestEntry> entries = {FileEntry("a", "12345"), FileEntry("b", "12345")};
  for (const OverlayLimits& limits :
       {OverlayLimits{.entries = 1}, OverlayLimits{.name_bytes = 1}, OverlayLimits{.content_bytes = 8}}) {
    EXPECT_TRUE(absl::IsResourceExhausted(Unpack(entries, limits).status()));
    std::filesystem::remove_all(tree());
    std::filesystem::create_directory(tree());
  }
}

TEST_F(UnpackTreeTest, TheSameInAProcessOfItsOwn) {
  const std::filesystem::path program =
      std::filesystem::path(std::getenv("ROOTWRIGHT_BIN")) / "rootwright-apply";
  const auto unpack = [&](const std::string& tar, const UnpackProgress& progress = {}) {
    EXPECT_TRUE(WriteFileAtomically(folder() / "root.tar", tar).ok());
    return UnpackTreeInJail(program, folder() / "root.tar", tree(), {}, progress,
                            Deadline::In(absl::Minutes(1)), {});
  };
  int64_t at = 0;
  const auto unpacked = unpack(TarOf({FileEntry("a", std::string(3 << 20, 'a'), 0600), FileEntry("b", "b")}),
                               [&](int64_t bytes) { at = bytes; });
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(unpacked->entries, 2);
  EXPECT_EQ(unpacked->content_bytes, (3 << 20) + 1);
  EXPECT_GE(at, 3 << 20);
  EXPECT_EQ(Look("a").st_mode & 07777, 0600u);
  EXPECT_TRUE(absl::IsPermissionDenied(unpack(TarOf({FileEntry("../out", "x")})).status()));
  EXPECT_FALSE(Exists(folder() / "out"));
}

}  // namespace
}  // namespace rootwright
