#include "executors/rootfs/shortcuts/python_bytecode.h"

#include <gmock/gmock.h>

#include "absl/strings/str_replace.h"
#include "tests/executors/rootfs/shortcuts/shortcut_tree.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr char kLibrary[] = "usr/lib/python3.11";
constexpr char kPython[] = "/usr/bin/python3.11";
constexpr char kList[] = "var/lib/dpkg/info/libpython3.11-minimal:amd64.list";

// Debian 12's own Python compiles, as it does on every build host.
class PythonBytecodeTest : public ShortcutTree {
 protected:
  PythonBytecodeTest() {
    plan_.packages.push_back({"libpython3.11-minimal", "3.11.2-6", "amd64", "", 1, 1, "", ""});
    plan_.packages.push_back({"python3.11-minimal", "3.11.2-6", "amd64", "", 1, 1, "", ""});
    Put(File("py_compile.py"), ReadFile("/usr/lib/python3.11/py_compile.py").value_or(""));
    Put(File("greet.py"), "def greet():\n    return 'hello'\n");
    Put(kList,
        "/.\n/usr/lib/python3.11\n/usr/lib/python3.11/py_compile.py\n/usr/lib/python3.11/greet.py\n"
        "/usr/lib/python3.11/sub/deep.py\n/usr/lib/python3.11/notes.txt\n");
  }

  void SetUp() override {
    ASSERT_TRUE(fs::exists(kPython)) << kPython << " is missing: apt-get install python3 on Debian 12";
  }

  static std::string File(const std::string& name) { return absl::StrCat(kLibrary, "/", name); }
  static std::string Bytecode(const std::string& name) {
    return File(absl::StrCat("__pycache__/", name, ".cpython-311.pyc"));
  }
  std::string InTree(const std::string& path) const { return (tree() / path).string(); }

  // Runs the stand-in as the package's script runs py_compile.py.
  SubprocessResult RunStandIn(const std::vector<std::string>& files) const {
    const std::string script = absl::StrReplaceAll(Get(File("py_compile.py")),
                                                   {{"/.rootwright", (tree() / ".rootwright").string()}});
    EXPECT_TRUE(WriteFileAtomically(outside() / "py_compile.py", script).ok());
    std::vector<std::string> argv = {kPython, "-E", "-S", (outside() / "py_compile.py").string()};
    argv.insert(argv.end(), files.begin(), files.end());
    return Execute(argv);
  }
};

TEST_F(PythonBytecodeTest, BytecodeIsWhatTheTargetWouldMake) {
  const auto used = Apply(MakePythonBytecode());
  ASSERT_TRUE(used.ok()) << used.status();
  ASSERT_TRUE(used->has_value());
  EXPECT_EQ((*used)->note, "2 files compiled by Python 3.11");
  // Valid for the source as it lies there, and it names the source as the target knows it.
  const SubprocessResult loaded =
      Execute({kPython, "-c",
               "import marshal, os, sys\n"
               "data = open(sys.argv[2], 'rb').read()\n"
               "info = os.stat(sys.argv[1])\n"
               "assert data[4:8] == bytes(4) and int.from_bytes(data[8:12], 'little') == int(info.st_mtime)\n"
               "assert int.from_bytes(data[12:16], 'little') == info.st_size\n"
               "code = marshal.loads(data[16:])\n"
               "names = {}\n"
               "exec(code, names)\n"
               "print(code.co_filename, names['greet']())\n",
               InTree(File("greet.py")), InTree(Bytecode("greet"))});
  EXPECT_EQ(loaded.output, "/usr/lib/python3.11/greet.py hello\n") << loaded.error_output;
}

TEST_F(PythonBytecodeTest, StandInCompilesOnlyWhatIsMissingOrOutOfDate) {
  ASSERT_TRUE(Apply(MakePythonBytecode())->has_value());
  const auto before = Snapshot(tree());
  EXPECT_TRUE(RunStandIn({InTree(File("greet.py"))}).ok());
  EXPECT_EQ(Snapshot(tree()), before);
  // As from an overlay.
  Put(File("greet.py"), "def greet():\n    return 'good morning'\n");
  Put(File("sub/new.py"), "x = 1\n");
  const SubprocessResult run = RunStandIn({InTree(File("greet.py")), InTree(File("sub/new.py"))});
  EXPECT_TRUE(run.ok()) << run.error_output;
  EXPECT_THAT(Get(Bytecode("greet")), HasSubstr("good morning"));
  EXPECT_TRUE(fs::exists(tree() / File("sub/__pycache__/new.cpython-311.pyc")));
}

TEST_F(PythonBytecodeTest, StandInPassesErrorsOn) {
  ASSERT_TRUE(Apply(MakePythonBytecode())->has_value());
  Put(File("wrong.py"), "def\n");
  const SubprocessResult run = RunStandIn({InTree(File("wrong.py"))});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.error_output, HasSubstr("SyntaxError"));
}

TEST_F(PythonBytecodeTest, ImportedTheStandInIsTheOriginal) {
  ASSERT_TRUE(Apply(MakePythonBytecode())->has_value());
  RunStandIn({});
  const SubprocessResult run =
      Execute({kPython, "-B", "-c",
               "import sys; sys.path.insert(0, sys.argv[1]); import py_compile\n"
               "assert py_compile.__file__.startswith(sys.argv[1])\n"
               "print(py_compile.compile(sys.argv[2], cfile=sys.argv[3], doraise=True) == sys.argv[3])\n",
               outside().string(), InTree(File("greet.py")), (outside() / "greet.pyc").string()});
  EXPECT_EQ(run.output, "True\n") << run.error_output;
}

TEST_F(PythonBytecodeTest, UndoBringsTheOriginalBackAndItsBytecode) {
  const auto before = Snapshot(tree());
  const auto used = Apply(MakePythonBytecode());
  ASSERT_TRUE(used.ok() && used->has_value());
  const std::string bytecode = Get(Bytecode("py_compile"));
  // What importing the stand-in leaves.
  Put(Bytecode("py_compile"), "bytecode of the stand-in");
  Undo((*used)->undo);
  EXPECT_EQ(Get(Bytecode("py_compile")), bytecode);
  fs::remove_all(tree() / File("__pycache__"));
  EXPECT_EQ(Snapshot(tree()), before);
}

TEST_F(PythonBytecodeTest, UndoKeepsWhatASpecificationPutThere) {
  const auto used = Apply(MakePythonBytecode());
  ASSERT_TRUE(used.ok() && used->has_value());
  Put(File("py_compile.py"), "# mine\n");
  Put(Bytecode("py_compile"), "mine");
  Undo((*used)->undo);
  EXPECT_EQ(Get(File("py_compile.py")), "# mine\n");
  EXPECT_EQ(Get(Bytecode("py_compile")), "mine");
}

TEST_F(PythonBytecodeTest, IsIdleWithoutPythonOfTheSameVersion) {
  plan_.packages[0].name = "libpython3.99-minimal";
  plan_.packages[1].name = "python3.99-minimal";
  fs::rename(tree() / kList, tree() / "var/lib/dpkg/info/libpython3.99-minimal:amd64.list");
  ExpectIdle(MakePythonBytecode());
}

TEST_F(PythonBytecodeTest, IsIdleWithoutThePackageOrItsList) {
  fs::remove(tree() / kList);
  ExpectIdle(MakePythonBytecode());
  plan_.packages.clear();
  ExpectIdle(MakePythonBytecode());
}

TEST_F(PythonBytecodeTest, FilesThatDoNotCompileAreLeftToTheTarget) {
  Put(File("greet.py"), "def\n");
  const auto used = Apply(MakePythonBytecode());
  ASSERT_TRUE(used.ok() && used->has_value());
  EXPECT_EQ((*used)->note, "1 files compiled by Python 3.11");
  EXPECT_FALSE(fs::exists(tree() / Bytecode("greet")));
}

TEST_F(PythonBytecodeTest, LinksAreNotFollowed) {
  Put(File("sub/deep.py"), "x = 1\n");
  LinkOut(File("sub"));
  fs::rename(tree() / File("greet.py"), outside() / "greet.py");
  fs::create_symlink(outside() / "greet.py", tree() / File("greet.py"));
  const auto before = Snapshot(outside());
  const auto used = Apply(MakePythonBytecode());
  ASSERT_TRUE(used.ok() && used->has_value()) << used.status();
  EXPECT_EQ((*used)->note, "1 files compiled by Python 3.11");
  EXPECT_FALSE(fs::exists(tree() / Bytecode("greet")));
  EXPECT_EQ(Snapshot(outside()), before);
}

TEST_F(PythonBytecodeTest, IsIdleWhereTheLibraryOrItsBytecodeIsALink) {
  fs::create_directory(tree() / File("__pycache__"));
  LinkOut(File("__pycache__"));
  ExpectIdle(MakePythonBytecode());
  LinkOut(kLibrary);
  ExpectIdle(MakePythonBytecode());
}

}  // namespace
}  // namespace rootwright
