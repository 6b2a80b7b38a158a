#include "archive/pack.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <csignal>
#include <cstring>
#include <map>

#include "archive/tar_reader.h"
#include "base/sha256.h"
#include "tests/archive/test_tree.h"

namespace rootwright {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Pack : public TestTree {
 protected:
  absl::StatusOr<PackResult> PackAs(const std::string& name, PackOptions options = {}) const {
    return PackTree(tree(), folder() / name, options, nullptr, Deadline::Never(), {});
  }
  std::vector<TarEntry> Entries(const std::string& name) const {
    const std::string bytes = *ReadFile(folder() / name, int64_t{1} << 30);
    auto reader = TarReader::OfBytes(bytes, TarReader::Compression::kAny, name);
    EXPECT_TRUE(reader.ok());
    std::vector<TarEntry> entries;
    TarEntry entry;
    for (;;) {
      const auto more = reader->Next(entry);
      EXPECT_TRUE(more.ok()) << more.status();
      if (!more.ok() || !*more) return entries;
      entries.push_back(entry);
    }
  }
  std::vector<std::string> Paths(const std::string& name) const {
    std::vector<std::string> paths;
    for (const TarEntry& entry : Entries(name)) paths.push_back(entry.path);
    return paths;
  }
  TarEntry Find(const std::string& name, const std::string& path) const {
    for (const TarEntry& entry : Entries(name)) {
      if (entry.path == path) return entry;
    }
    ADD_FAILURE() << path << " is not in " << name;
    return {};
  }
};

TEST_F(Pack, NamesComeInByteOrderWithFoldersFirst) {
  Put("b/z", "1");
  Put("b/a", "2");
  Put("a.x", "3");
  Put("B", "4");
  ASSERT_TRUE(PackAs("out.tar.zst").ok());
  EXPECT_THAT(Paths("out.tar.zst"), ElementsAre("", "B", "a.x", "b", "b/a", "b/z"));
}

TEST_F(Pack, SameTreeGivesSameBytesWhateverTheThreads) {
  std::string content;
  for (int64_t i = 0; i < 1'500'000; ++i) content += std::to_string(i * 7919 % 100'003);
  Put("large", content);
  Put("etc/name", "value");
  const auto one = PackAs("one", {.threads = 1});
  const auto two = PackAs("two", {.threads = 2});
  const auto four = PackAs("four", {.threads = 4});
  ASSERT_TRUE(one.ok() && two.ok() && four.ok());
  EXPECT_EQ(one->sha256, two->sha256);
  EXPECT_EQ(two->sha256, four->sha256);
}

TEST_F(Pack, DigestAndSizeAreThoseOfTheFile) {
  Put("etc/name", "value");
  for (const PackFormat format : {PackFormat::kTar, PackFormat::kTarZst, PackFormat::kTarGz}) {
    const auto result = PackAs("out", {.format = format});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->sha256, *Sha256::OfFile(folder() / "out"));
    EXPECT_EQ(result->size_bytes, static_cast<int64_t>(std::filesystem::file_size(folder() / "out")));
    EXPECT_EQ(result->content_bytes, 5);
    EXPECT_EQ(result->entries, 3);
  }
}

TEST_F(Pack, LaterTimesBecomeTheSourceDateAndEarlierOnesStay) {
  Put("old", "");
  Put("new", "");
  const timespec old_times[2] = {{1000, 5}, {1000, 5}};
  const timespec new_times[2] = {{2000, 0}, {2000, 0}};
  utimensat(AT_FDCWD, (tree() / "old").c_str(), old_times, 0);
  utimensat(AT_FDCWD, (tree() / "new").c_str(), new_times, 0);
  ASSERT_TRUE(PackAs("out", {.source_date = absl::FromUnixSeconds(1500)}).ok());
  EXPECT_EQ(Find("out", "old").mtime, 1000);
  EXPECT_EQ(Find("out", "new").mtime, 1500);
}

TEST_F(Pack, KeepsModesSymlinksAndHardlinks) {
  Put("bin/tool", "x");
  chmod((tree() / "bin/tool").c_str(), 04755);
  std::filesystem::create_hard_link(tree() / "bin/tool", tree() / "bin/tool2");
  std::filesystem::create_symlink("/etc/passwd", tree() / "link");
  ASSERT_TRUE(PackAs("out").ok());
  EXPECT_EQ(Find("out", "bin/tool").mode, 04755u);
  EXPECT_EQ(Find("out", "bin/tool2").kind, TarEntry::Kind::kHardlink);
  EXPECT_EQ(Find("out", "bin/tool2").target, "bin/tool");
  EXPECT_EQ(Find("out", "link").target, "/etc/passwd");
}

TEST_F(Pack, NamesBeyondAsciiAreKept) {
  Put("usr/F\xc5\x91tan\xc3\xbas.crt", "x");
  Put("usr/not-\xff-utf8", "y");
  ASSERT_TRUE(PackAs("out").ok());
  EXPECT_THAT(Paths("out"), ElementsAre("", "usr", "usr/F\xc5\x91tan\xc3\xbas.crt", "usr/not-\xff-utf8"));
}

TEST_F(Pack, LongNamesAreKept) {
  const std::string name = "a/" + std::string(200, 'n') + "/" + std::string(200, 'm');
  Put(name, "x");
  ASSERT_TRUE(PackAs("out").ok());
  EXPECT_EQ(Find("out", name).size, 1);
}

TEST_F(Pack, KeepsCapabilitiesAndDevicesWhenRoot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Put("ping", "x");
  // cap_net_raw+ep, revision 2.
  const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
  ASSERT_EQ(setxattr((tree() / "ping").c_str(), "security.capability", capability, sizeof capability, 0), 0);
  ASSERT_EQ(mknod((tree() / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_TRUE(PackAs("out").ok());
  EXPECT_EQ(Find("out", "ping").xattrs.at("security.capability"),
            std::string(reinterpret_cast<const char*>(capability), sizeof capability));
  EXPECT_EQ(Find("out", "null").kind, TarEntry::Kind::kCharDevice);
  EXPECT_EQ(Find("out", "null").device, makedev(1, 3));
}

TEST_F(Pack, SocketsAreLeftOutWithAWarning) {
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, (tree() / "s").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(listener);
  const auto result = PackAs("out");
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(Paths("out"), ElementsAre(""));
  EXPECT_THAT(result->warnings, ElementsAre(HasSubstr("s: a socket")));
}

TEST_F(Pack, NothingIsLeftWhenStopped) {
  Put("a", "x");
  std::stop_source stop;
  stop.request_stop();
  const auto result = PackTree(tree(), folder() / "out", {}, nullptr, Deadline::Never(), stop.get_token());
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder()), {}), 1) << "only the tree";
}

TEST_F(Pack, WhatWasThereStaysWhenTheDiskIsFull) {
  Put("a", std::string(1 << 20, 'x'));
  ASSERT_TRUE(WriteFileAtomically(folder() / "out", "before").ok());
  // The same error that a full disk gives while writing, only earlier.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {64 << 10, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto result = PackAs("out", {.format = PackFormat::kTar});
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("write: "));
  EXPECT_EQ(*ReadFile(folder() / "out"), "before");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder()), {}), 2) << "the tree and out";
}

TEST_F(Pack, ProgressEndsNearTheWhole) {
  Put("a", std::string(9 << 20, 'x'));
  std::vector<int64_t> told;
  ASSERT_TRUE(PackTree(tree(), folder() / "out", {},
                       [&](int64_t bytes, absl::string_view) { told.push_back(bytes); }, Deadline::Never(),
                       {})
                  .ok());
  ASSERT_EQ(told.size(), 2u);
  EXPECT_LT(told[0], told[1]);
}

}  // namespace
}  // namespace rootwright
