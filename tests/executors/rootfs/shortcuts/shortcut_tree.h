#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/subprocess.h"
#include "executors/rootfs/shortcuts/shortcut.h"

namespace rootwright {

// A small tree for one shortcut, and beside it a folder that no shortcut may touch.
class ShortcutTree : public testing::Test {
 protected:
  ShortcutTree() : folder_(*ScopedFolder::Create(std::filesystem::temp_directory_path(), "shortcut-")) {
    for (const char* name : {"tree/.rootwright/original", "outside", "overlay"})
      std::filesystem::create_directories(folder_.path() / name);
  }

  std::filesystem::path tree() const { return folder_.path() / "tree"; }
  std::filesystem::path outside() const { return folder_.path() / "outside"; }
  std::filesystem::path overlay() const { return folder_.path() / "overlay"; }

  // A file of the tree, with the folders above it.
  void Put(const std::string& path, const std::string& content, int mode = 0644) const {
    ASSERT_TRUE(MakeFolders((tree() / path).parent_path()).ok());
    ASSERT_TRUE(WriteFileAtomically(tree() / path, content, mode).ok());
  }
  std::string Get(const std::string& path) const {
    return ReadFile(tree() / path).value_or("(no such file)");
  }

  // Moves a folder of the tree out of it and leaves an absolute link, as a package could bring one.
  void LinkOut(const std::string& path) const {
    const std::filesystem::path moved = outside() / std::filesystem::path(path).filename();
    std::filesystem::rename(tree() / path, moved);
    std::filesystem::create_directory_symlink(moved, tree() / path);
  }

  absl::StatusOr<std::optional<UsedShortcut>> Apply(const std::unique_ptr<Shortcut>& shortcut) const {
    const ShortcutContext context{tree(),
                                  Architecture::kAmd64,
                                  plan_,
                                  specification_,
                                  overlay(),
                                  [](OutputStream, absl::string_view) {},
                                  Deadline::In(absl::Minutes(2)),
                                  {}};
    return shortcut->Apply(context);
  }

  // Everything below `folder` but our work folder: names, types, modes, times, link targets and contents.
  static std::map<std::string, std::string> Snapshot(const std::filesystem::path& folder) {
    std::map<std::string, std::string> found;
    auto entry = std::filesystem::recursive_directory_iterator(folder);
    for (; entry != std::filesystem::recursive_directory_iterator(); ++entry) {
      if (entry->path().filename() == ".rootwright") {
        entry.disable_recursion_pending();
        continue;
      }
      struct stat info {};
      lstat(entry->path().c_str(), &info);
      std::string& text = found[entry->path().lexically_relative(folder).string()];
      text = absl::StrCat(info.st_mode);
      if (S_ISLNK(info.st_mode)) absl::StrAppend(&text, " ", std::filesystem::read_symlink(*entry).string());
      if (!S_ISREG(info.st_mode)) continue;
      absl::StrAppend(&text, " ", info.st_mtim.tv_sec, ".", info.st_mtim.tv_nsec, " ",
                      Sha256::OfFile(entry->path()).value_or("(not readable)"));
    }
    return found;
  }

  // Nothing was done, inside or outside.
  void ExpectIdle(const std::unique_ptr<Shortcut>& shortcut) const {
    const auto before = Snapshot(folder_.path());
    const absl::StatusOr<std::optional<UsedShortcut>> used = Apply(shortcut);
    ASSERT_TRUE(used.ok()) << used.status();
    EXPECT_FALSE(used->has_value());
    EXPECT_EQ(Snapshot(folder_.path()), before);
  }

  SubprocessResult Execute(const std::vector<std::string>& argv,
                           const std::map<std::string, std::string>& variables = {}) const {
    SubprocessSpec spec;
    spec.argv = argv;
    spec.environment = variables;
    spec.environment->try_emplace("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    const absl::StatusOr<SubprocessResult> result = RunSubprocess(spec, Deadline::In(absl::Minutes(1)), {});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(SubprocessResult{});
  }

  // As the target's shell would, with its root at the tree: the lines may use cat and mv, nothing else is
  // mapped.
  void Undo(const std::string& lines) const {
    const SubprocessResult result =
        Execute({"sh", "-ec",
                 absl::StrCat("cat() { command cat \"$TREE$1\"; }\n"
                              "mv() { [ $# = 3 ] && command mv \"$1\" \"$TREE$2\" \"$TREE$3\"; }\n",
                              lines)},
                {{"TREE", tree().string()}});
    EXPECT_TRUE(result.ok()) << lines << result.error_output;
  }

  AptPlan plan_;
  Specification specification_;

 private:
  ScopedFolder folder_;
};

}  // namespace rootwright
