#include "executors/rootfs/shortcuts/maintscript_helper.h"

#include "absl/strings/str_replace.h"
#include "tests/executors/rootfs/shortcuts/shortcut_tree.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "usr/bin/dpkg-maintscript-helper";
constexpr char kOriginal[] = "#!/bin/sh\necho \"original $*\"\nexit 3\n";

class MaintscriptHelperTest : public ShortcutTree {
 protected:
  MaintscriptHelperTest() {
    Put(kProgram, kOriginal, 0755);
    before_ = Snapshot(tree());
  }

  // The undo.
  std::string PutStandIn() const {
    const auto used = Apply(MakeMaintscriptHelper());
    EXPECT_TRUE(used.ok() && used->has_value()) << used.status();
    return (*used)->undo;
  }

  // What the stand-in says to a call from the script `name`: "" when it handled it, else the original's
  // words.
  std::string Call(const std::string& name, std::vector<std::string> arguments,
                   std::map<std::string, std::string> variables = {}) const {
    variables.try_emplace("DPKG_MAINTSCRIPT_NAME", name);
    variables.try_emplace("DPKG_MAINTSCRIPT_PACKAGE", "greeter");
    const std::string root = (tree() / ".rootwright").string();
    arguments.insert(arguments.begin(),
                     {"sh", "-c", absl::StrReplaceAll(Get(kProgram), {{"/.rootwright", root}}), "helper"});
    const SubprocessResult result = Execute(arguments, variables);
    EXPECT_EQ(result.error_output, "");
    EXPECT_EQ(result.exit_code, result.output.empty() ? 0 : 3) << "the original's status is passed on";
    return result.output;
  }

  std::string PathInTree(const std::string& path) const { return (tree() / path).string(); }

  std::map<std::string, std::string> before_;
};

TEST_F(MaintscriptHelperTest, FirstInstallationsAreDoneAtOnce) {
  PutStandIn();
  for (const std::string call : {"rm_conffile", "mv_conffile", "symlink_to_dir", "dir_to_symlink"}) {
    EXPECT_EQ(Call("preinst", {call, PathInTree("x"), "/y", "1.0~", "greeter", "--", "install"}), "") << call;
    EXPECT_EQ(Call("postinst", {call, PathInTree("x"), "/y", "1.0~", "greeter", "--", "configure", ""}), "")
        << call;
    EXPECT_EQ(Call("postinst", {call, PathInTree("x"), "/y", "--", "configure", ""}), "") << call;
  }
}

TEST_F(MaintscriptHelperTest, EverythingElseReachesTheOriginalAsItCame) {
  PutStandIn();
  const std::string path = PathInTree("x");
  const std::vector<std::pair<std::string, std::vector<std::string>>> calls = {
      {"preinst", {"rm_conffile", path, "1.0~", "--", "install", "0.9"}},
      {"preinst", {"rm_conffile", path, "1.0~", "--", "upgrade", "0.9"}},
      {"postinst", {"mv_conffile", path, "/y", "1.0~", "--", "configure", "0.9"}},
      {"postinst", {"rm_conffile", path, "1.0~", "--", "triggered", "/usr/share/x"}},
      {"postinst", {"rm_conffile", path, "1.0~", "--", "abort-remove"}},
      {"postinst", {"rm_conffile", path, "1.0~", "--", "install"}},
      {"preinst", {"rm_conffile", path, "1.0~", "--", "configure", ""}},
      {"postrm", {"dir_to_symlink", path, "/y", "--", "purge"}},
      {"prerm", {"symlink_to_dir", path, "/y", "--", "remove"}},
      {"postinst", {"supports", "rm_conffile"}},
      {"postinst", {"--help"}},
      {"postinst", {}},
      {"postinst", {"tidy_conffile", path, "--", "configure", ""}},
      // Mistakes, which the original names.
      {"preinst", {"rm_conffile", path, "1.0~", "install"}},
      {"postinst", {"rm_conffile", "etc/x", "1.0~", "--", "configure", ""}},
      {"postinst", {"symlink_to_dir", path + "/", "/y", "--", "configure", ""}},
      {"postinst", {"rm_conffile", "", "--", "configure", ""}},
  };
  for (const auto& [script, arguments] : calls) {
    std::string expected = "original";
    if (arguments.empty()) expected += " ";
    for (const std::string& word : arguments) absl::StrAppend(&expected, " ", word);
    EXPECT_EQ(Call(script, arguments), expected + "\n");
  }
  const std::vector<std::string> plain = {"rm_conffile", path, "--", "configure", ""};
  EXPECT_NE(Call("postinst", plain, {{"DPKG_ROOT", "/target"}}), "");
  EXPECT_NE(Call("postinst", plain, {{"DPKG_MAINTSCRIPT_PACKAGE", ""}}), "");
  EXPECT_NE(Call("", plain), "");
  EXPECT_EQ(Call("postinst", plain), "");
}

TEST_F(MaintscriptHelperTest, ABackupBesideThePathIsTheOriginalsWork) {
  PutStandIn();
  const std::vector<std::string> call = {"symlink_to_dir", PathInTree("x"), "/y", "--", "configure", ""};
  Put("xx.dpkg-backup", "");
  EXPECT_EQ(Call("postinst", call), "");
  fs::create_symlink("nowhere", tree() / "x.dpkg-backup");
  EXPECT_NE(Call("postinst", call), "");
  fs::remove(tree() / "x.dpkg-backup");
  fs::create_directory(tree() / "x.dpkg-remove");
  EXPECT_NE(Call("postinst", call), "");
}

TEST_F(MaintscriptHelperTest, UndoBringsTheOriginalBack) {
  const std::string undo = PutStandIn();
  EXPECT_NE(Snapshot(tree()), before_);
  Undo(undo);
  EXPECT_EQ(Snapshot(tree()), before_);
}

TEST_F(MaintscriptHelperTest, UndoKeepsWhatASpecificationPutThere) {
  const std::string undo = PutStandIn();
  Put(kProgram, "#!/bin/sh\n# mine\n", 0755);
  Undo(undo);
  EXPECT_EQ(Get(kProgram), "#!/bin/sh\n# mine\n");
  fs::remove(tree() / kProgram);
  Undo(undo);
  EXPECT_FALSE(fs::exists(tree() / kProgram));
}

TEST_F(MaintscriptHelperTest, IsIdleWithoutTheProgram) {
  fs::remove(tree() / kProgram);
  ExpectIdle(MakeMaintscriptHelper());
}

TEST_F(MaintscriptHelperTest, IsIdleWhereTheProgramOrItsFolderIsALink) {
  fs::rename(tree() / kProgram, outside() / "helper");
  fs::create_symlink(outside() / "helper", tree() / kProgram);
  ExpectIdle(MakeMaintscriptHelper());
  fs::remove(tree() / kProgram);
  fs::rename(outside() / "helper", tree() / kProgram);
  LinkOut("usr/bin");
  ExpectIdle(MakeMaintscriptHelper());
}

}  // namespace
}  // namespace rootwright
