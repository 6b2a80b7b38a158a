#include "archive/overlay_changes.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cstdlib>
#include <fstream>

#include "archive/jailed_changes.h"
#include "base/unique_fd.h"
#include "tests/archive/test_tree.h"

namespace rootwright {
namespace {

using ::testing::HasSubstr;
using Kind = TarEntry::Kind;

class OverlayChangesTest : public TestTree {
 protected:
  absl::StatusOr<OverlayChanges> Apply(const std::string& tar, OverlayLimits limits = {}) const {
    EXPECT_TRUE(WriteFileAtomically(folder() / "changes.tar", tar).ok());
    const UniqueFd archive(open((folder() / "changes.tar").c_str(), O_RDONLY | O_CLOEXEC));
    return ApplyOverlayChanges(archive.get(), "changes.tar", tree(), limits, Deadline::Never(), {});
  }
  absl::StatusOr<OverlayChanges> Apply(const std::vector<TestEntry>& entries,
                                       OverlayLimits limits = {}) const {
    return Apply(TarOf(entries), limits);
  }
  // A file beside the tree that no archive may reach.
  std::filesystem::path Outside() const {
    std::filesystem::create_directories(folder() / "outside");
    EXPECT_TRUE(WriteFileAtomically(folder() / "outside/secret", "safe").ok());
    return folder() / "outside";
  }
  void ExpectOutsideIsSafe() const {
    EXPECT_EQ(*ReadFile(folder() / "outside/secret"), "safe");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder() / "outside"), {}), 1);
  }
};

TestEntry Whiteout(const std::string& path) { return EntryOf(Kind::kCharDevice, path); }

TestEntry Opaque(const std::string& path) {
  TestEntry made = EntryOf(Kind::kFolder, path);
  made.entry.xattrs["trusted.overlay.opaque"] = "y";
  return made;
}

TEST_F(OverlayChangesTest, NewAndChangedFilesAreWritten) {
  Put("etc/old", "before");
  const auto changes =
      Apply({EntryOf(Kind::kFolder, "etc"), FileEntry("etc/old", "after", 0600), FileEntry("etc/new", "x")});
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(Get("etc/old"), "after");
  EXPECT_EQ(Look("etc/old").st_mode & 07777, 0600u);
  EXPECT_EQ(Look("etc/new").st_mtime, 1'000'000'000);
  EXPECT_EQ(Look("etc").st_mtime, 1'000'000'000) << "set after what was written into it";
  EXPECT_EQ(changes->written, 3);
}

TEST_F(OverlayChangesTest, WhiteoutsRemoveFilesAndWholeFolders) {
  Put("a", "x");
  Put("b/c/d", "x");
  const auto changes = Apply({Whiteout("a"), Whiteout("b"), Whiteout("never/was/there")});
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_FALSE(Exists(tree() / "a"));
  EXPECT_FALSE(Exists(tree() / "b"));
}

TEST_F(OverlayChangesTest, OpaqueFolderReplacesTheOldOne) {
  Put("var/old", "x");
  Put("var/deep/er", "x");
  ASSERT_TRUE(Apply({Opaque("var"), FileEntry("var/new", "y")}).ok());
  EXPECT_FALSE(Exists(tree() / "var/old"));
  EXPECT_FALSE(Exists(tree() / "var/deep"));
  EXPECT_EQ(Get("var/new"), "y");
}

TEST_F(OverlayChangesTest, KindsMayChange) {
  Put("folder/x", "x");
  Put("file", "x");
  std::filesystem::create_symlink("file", tree() / "link");
  ASSERT_TRUE(Apply({FileEntry("folder", "now a file"), EntryOf(Kind::kFolder, "file"),
                     FileEntry("file/in", "y"), EntryOf(Kind::kFolder, "link"), FileEntry("link/in", "z")})
                  .ok());
  EXPECT_EQ(Get("folder"), "now a file");
  EXPECT_EQ(Get("file/in"), "y");
  EXPECT_EQ(Get("link/in"), "z");
}

TEST_F(OverlayChangesTest, HardlinksStayLinked) {
  ASSERT_TRUE(Apply({FileEntry("a", "x"), EntryOf(Kind::kHardlink, "b", "a")}).ok());
  EXPECT_EQ(Look("a").st_ino, Look("b").st_ino);
}

TEST_F(OverlayChangesTest, CapabilitiesAreKeptAndOverlayAttributesAreNot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  TestEntry made = FileEntry("ping", "x");
  const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  made.entry.xattrs = {{"security.capability", capability}, {"trusted.overlay.origin", "abc"}};
  ASSERT_TRUE(Apply({made}).ok());
  char value[64];
  EXPECT_EQ(getxattr((tree() / "ping").c_str(), "security.capability", value, sizeof value), 20);
  EXPECT_LT(getxattr((tree() / "ping").c_str(), "trusted.overlay.origin", value, sizeof value), 0);
}

TEST_F(OverlayChangesTest, RedirectsAreRefusedInsteadOfLosingFiles) {
  TestEntry made = EntryOf(Kind::kFolder, "new");
  made.entry.xattrs["trusted.overlay.redirect"] = "old";
  const auto changes = Apply({made});
  EXPECT_EQ(changes.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(changes.status().message()), HasSubstr("redirect_dir=off"));
}

TEST_F(OverlayChangesTest, DotDotDoesNotLeaveTheTree) {
  Outside();
  for (const char* path : {"../outside/secret", "a/../../outside/secret", "..", "a/.."}) {
    Put("a/b", "x");
    EXPECT_EQ(Apply({FileEntry(path, "evil")}).status().code(), absl::StatusCode::kPermissionDenied) << path;
    EXPECT_FALSE(Apply({Whiteout(path)}).ok()) << path;
    EXPECT_FALSE(Apply({EntryOf(Kind::kFolder, path)}).ok()) << path;
  }
  ExpectOutsideIsSafe();
}

TEST_F(OverlayChangesTest, AbsoluteNamesAreRefused) {
  const std::string outside = Outside().string();
  EXPECT_FALSE(Apply({FileEntry(outside + "/secret", "evil")}).ok());
  EXPECT_FALSE(Apply({Whiteout(outside + "/secret")}).ok());
  EXPECT_FALSE(Apply({Opaque(outside)}).ok());
  ExpectOutsideIsSafe();
}

TEST_F(OverlayChangesTest, SymlinkInTheMiddleIsRefused) {
  const std::filesystem::path outside = Outside();
  for (const std::string& target : {outside.string(), std::string("../outside"), std::string(".")}) {
    const TestEntry link = EntryOf(Kind::kSymlink, "way", target);
    EXPECT_EQ(Apply({link, FileEntry("way/secret", "evil")}).status().code(),
              absl::StatusCode::kPermissionDenied);
    EXPECT_FALSE(Apply({link, Whiteout("way/secret")}).ok());
    EXPECT_FALSE(Apply({link, EntryOf(Kind::kHardlink, "x", "way/secret")}).ok());
  }
  ExpectOutsideIsSafe();
}

TEST_F(OverlayChangesTest, SymlinkThatWasInTheTreeIsNotFollowed) {
  const std::filesystem::path outside = Outside();
  std::filesystem::create_directory_symlink(outside, tree() / "way");
  EXPECT_FALSE(Apply({FileEntry("way/secret", "evil")}).ok());
  EXPECT_FALSE(Apply({FileEntry("way/more/secret", "evil")}).ok());
  ExpectOutsideIsSafe();
}

TEST_F(OverlayChangesTest, OpaqueOnASymlinkEmptiesNothingOutside) {
  std::filesystem::create_directory_symlink(Outside(), tree() / "way");
  ASSERT_TRUE(Apply({Opaque("way")}).ok()) << "the symlink is replaced by a folder";
  ExpectOutsideIsSafe();
  EXPECT_TRUE(S_ISDIR(Look("way").st_mode));
}

TEST_F(OverlayChangesTest, WritingOverASymlinkReplacesIt) {
  std::filesystem::create_symlink(Outside() / "secret", tree() / "link");
  ASSERT_TRUE(Apply({FileEntry("link", "mine")}).ok());
  ExpectOutsideIsSafe();
  EXPECT_EQ(Get("link"), "mine");
}

TEST_F(OverlayChangesTest, HardlinkOutOfTheTreeIsRefused) {
  const std::string outside = Outside().string();
  for (const std::string& target :
       {outside + "/secret", std::string("../outside/secret"), std::string("a/../../outside/secret")}) {
    EXPECT_FALSE(Apply({EntryOf(Kind::kHardlink, "x", target)}).ok()) << target;
  }
  struct stat found {};
  ASSERT_EQ(stat((outside + "/secret").c_str(), &found), 0);
  EXPECT_EQ(found.st_nlink, 1u);
}

TEST_F(OverlayChangesTest, RemovingStopsAtSymlinks) {
  std::filesystem::create_directories(tree() / "a/b");
  std::filesystem::create_directory_symlink(Outside(), tree() / "a/b/way");
  ASSERT_TRUE(Apply({Whiteout("a")}).ok());
  EXPECT_FALSE(Exists(tree() / "a"));
  ExpectOutsideIsSafe();
}

TEST_F(OverlayChangesTest, LimitsAreKept) {
  EXPECT_EQ(Apply({FileEntry("a", ""), FileEntry("b", "")}, {.entries = 1}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Apply({FileEntry("a", std::string(1000, 'x'))}, {.content_bytes = 999}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Apply({FileEntry(std::string(50, 'n'), "")}, {.name_bytes = 49}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(OverlayChangesTest, TruncatedArchiveIsDataLoss) {
  const std::string tar = TarOf({FileEntry("a", std::string(5000, 'x')), FileEntry("b", "y")});
  EXPECT_EQ(Apply(tar.substr(0, 3000)).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Apply(std::string(2048, 'z')).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(OverlayChangesTest, AttributesOfFoldersAreKept) {
  TestEntry folder{.entry = {.kind = Kind::kFolder, .path = "data", .mode = 0755}};
  folder.entry.xattrs = {{"user.origin", "here"}, {"trusted.overlay.origin", "abc"}};
  const auto changes = Apply({folder});
  ASSERT_TRUE(changes.ok()) << changes.status();
  char value[16] = {};
  EXPECT_EQ(getxattr((tree() / "data").c_str(), "user.origin", value, sizeof value), 4);
  EXPECT_LT(getxattr((tree() / "data").c_str(), "trusted.overlay.origin", value, sizeof value), 0);
}

class JailedChangesTest : public OverlayChangesTest {
 protected:
  absl::StatusOr<OverlayChanges> ApplyInJail(const std::string& tar, const std::string& program = "",
                                             OverlayLimits limits = {}) const {
    EXPECT_TRUE(WriteFileAtomically(folder() / "changes.tar", tar).ok());
    const std::filesystem::path bin = std::getenv("ROOTWRIGHT_BIN");
    return ApplyChangesInJail(program.empty() ? bin / "rootwright-apply" : std::filesystem::path(program),
                              folder() / "changes.tar", tree(), limits, Deadline::In(absl::Minutes(1)), {});
  }
};

TEST_F(JailedChangesTest, DoesTheSameInAProcessOfItsOwn) {
  const auto changes =
      ApplyInJail(TarOf({{.entry = {.kind = Kind::kFile, .path = "new", .size = 5}, .content = "hello"}}));
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_EQ(changes->written, 1);
  EXPECT_EQ(changes->content_bytes, 5);
  EXPECT_EQ(*ReadFile(tree() / "new"), "hello");
}

TEST_F(JailedChangesTest, ErrorsComeOutAsTheyAre) {
  const auto outside =
      ApplyInJail(TarOf({{.entry = {.kind = Kind::kFile, .path = "../out", .size = 1}, .content = "x"}}));
  EXPECT_EQ(outside.status().code(), absl::StatusCode::kPermissionDenied) << outside.status();
  EXPECT_THAT(std::string(outside.status().message()), HasSubstr("../out"));
  const auto many = ApplyInJail(TarOf({{.entry = {.kind = Kind::kFolder, .path = "a"}},
                                       {.entry = {.kind = Kind::kFolder, .path = "b"}}}),
                                "", {.entries = 1});
  EXPECT_EQ(many.status().code(), absl::StatusCode::kResourceExhausted) << many.status();
  EXPECT_EQ(ApplyInJail("no archive").status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(JailedChangesTest, AReaderThatCrashesIsAnErrorAndNoMore) {
  std::ofstream(folder() / "crash") << "#!/bin/sh\necho about to crash >&2\nkill -SEGV $$\n";
  std::filesystem::permissions(folder() / "crash", std::filesystem::perms::owner_all);
  const auto crashed = ApplyInJail("x", (folder() / "crash").string());
  EXPECT_EQ(crashed.status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(crashed.status().message(), "apply changes: crash: signal 11: about to crash");
}

}  // namespace
}  // namespace rootwright
