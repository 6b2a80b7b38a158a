#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "archive/tar_entry.h"
#include "archive/tar_writer.h"
#include "base/file.h"

namespace rootwright {

// A folder of the test's own, and the small things tests do in it.
class TestTree : public ::testing::Test {
 protected:
  TestTree() : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "rootwright-test-")) {
    std::filesystem::create_directory(tree());
  }

  std::filesystem::path folder() const { return folder_.path(); }
  std::filesystem::path tree() const { return folder() / "tree"; }

  void Put(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((tree() / path).parent_path());
    ASSERT_TRUE(WriteFileAtomically(tree() / path, content).ok());
  }
  std::string Get(const std::string& path) const {
    const auto content = ReadFile(tree() / path);
    return content.ok() ? *content : "(" + std::string(content.status().message()) + ")";
  }
  bool Exists(const std::filesystem::path& path) const {
    struct stat found {};
    return lstat(path.c_str(), &found) == 0;
  }
  struct stat Look(const std::string& path) const {
    struct stat found {};
    EXPECT_EQ(lstat((tree() / path).c_str(), &found), 0) << path;
    return found;
  }

 private:
  ScopedFolder folder_;
};

struct TestEntry {
  TarEntry entry;
  std::string content;
};

inline TestEntry FileEntry(const std::string& path, const std::string& content, mode_t mode = 0644) {
  TestEntry made{.entry = {}, .content = content};
  made.entry.path = path;
  made.entry.mode = mode;
  made.entry.uid = geteuid();
  made.entry.gid = getegid();
  made.entry.mtime = 1'000'000'000;
  made.entry.size = static_cast<int64_t>(content.size());
  return made;
}

inline TestEntry EntryOf(TarEntry::Kind kind, const std::string& path, const std::string& target = "") {
  TestEntry made = FileEntry(path, "", kind == TarEntry::Kind::kFolder ? 0755 : 0644);
  made.entry.kind = kind;
  made.entry.target = target;
  return made;
}

inline std::string TarOf(const std::vector<TestEntry>& entries) {
  std::string bytes;
  auto writer = TarWriter::Create([&](absl::string_view piece) {
    bytes.append(piece.data(), piece.size());
    return absl::OkStatus();
  });
  EXPECT_TRUE(writer.ok());
  for (const TestEntry& made : entries) {
    EXPECT_TRUE((*writer)->Add(made.entry).ok()) << made.entry.path;
    if (!made.content.empty()) {
      EXPECT_TRUE((*writer)->Write(made.content).ok());
    }
  }
  EXPECT_TRUE((*writer)->Close().ok());
  return bytes;
}

}  // namespace rootwright
