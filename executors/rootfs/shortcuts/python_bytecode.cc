#include "executors/rootfs/shortcuts/python_bytecode.h"

#include <algorithm>
#include <map>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "executors/rootfs/shortcuts/stand_in.h"
#include "executors/rootfs/shortcuts/tree_path.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// Reads paths of the target from standard input; the first argument is the tree. Links are
// left out, also on the way: nothing outside the tree is read or written.
constexpr char kCompile[] = R"(import os, py_compile, sys
tree = sys.argv[1]
print(sys.implementation.cache_tag)
done = 0
for line in sys.stdin:
    path = line.rstrip("\n")
    real = tree + path
    if os.path.islink(real) or not os.path.isfile(real) or os.path.realpath(real) != os.path.realpath(tree) + path:
        continue
    folder, name = os.path.split(real)
    cached = os.path.join(folder, "__pycache__", name[:-3] + "." + sys.implementation.cache_tag + ".pyc")
    if os.path.lexists(cached) or os.path.islink(os.path.dirname(cached)):
        continue
    try:
        py_compile.compile(real, cfile=cached, dfile=path, doraise=True,
                           invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
        done += 1
    except Exception:
        pass
print(done)
)";

// Stands in for the library's py_compile.py when that is run as a script; imported it hands
// over to the original at once.
constexpr char kStandIn[] = R"(import sys
_original = 'ORIGINAL'
def _missing(path):
    import os
    folder, name = os.path.split(path)
    try:
        source = os.stat(path)
        with open(os.path.join(folder, '__pycache__', name[:-3] + '.' + sys.implementation.cache_tag + '.pyc'), 'rb') as file:
            header = file.read(16)
    except OSError:
        return True
    current = (0, int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF)
    return tuple(int.from_bytes(header[at:at + 4], 'little') for at in (4, 8, 12)) != current
if __name__ != '__main__' or sys.flags.optimize or '-' in sys.argv[1:]:
    _wanted = sys.argv[1:]
else:
    _wanted = [path for path in sys.argv[1:] if _missing(path)]
if __name__ != '__main__' or _wanted:
    if __name__ == '__main__':
        sys.argv[1:] = _wanted
    with open(_original) as _file:
        exec(compile(_file.read(), __file__, 'exec'))
)";

class PythonBytecode : public Shortcut {
 public:
  std::string name() const override { return "python-bytecode"; }
  std::string description() const override { return "Python's standard library is compiled on the host"; }

  absl::StatusOr<std::optional<UsedShortcut>> Apply(const ShortcutContext& context) override {
    const std::string version = VersionIn(context.plan);
    if (version.empty()) return std::nullopt;
    RW_ASSIGN_OR_RETURN(const std::string files, FilesOf(context, version));
    if (files.empty()) return std::nullopt;
    SubprocessSpec spec;
    spec.argv = {absl::StrCat("/usr/bin/python", version), "-I", "-S", "-c", kCompile, context.tree.string()};
    spec.environment = std::map<std::string, std::string>{{"LC_ALL", "C.UTF-8"}, {"PATH", "/usr/bin:/bin"}};
    spec.input = files;
    const absl::StatusOr<SubprocessResult> compiled = RunSubprocess(spec, context.deadline, context.stop);
    if (absl::IsNotFound(compiled.status())) return std::nullopt;
    RW_RETURN_IF_ERROR(compiled.status());
    const std::vector<std::string> lines = absl::StrSplit(compiled->output, '\n');
    if (!compiled->ok() || lines.size() < 2) return std::nullopt;
    const std::string program = absl::StrCat("/usr/lib/python", version, "/py_compile.py");
    if (!IsFileInTree(context.tree, program) || !IsFileInTree(context.tree, BytecodeOf(version)))
      return std::nullopt;
    std::string script = kStandIn;
    constexpr absl::string_view kPlace = "ORIGINAL";
    script.replace(script.find(kPlace.data()), kPlace.size(), OriginalOf(program));
    RW_ASSIGN_OR_RETURN(std::string undo, StandIn(context.tree, program, script));
    // The stand-in may be imported, and compiled, under the original's name.
    RW_ASSIGN_OR_RETURN(const std::string keep, KeepBytecode(context.tree, program, BytecodeOf(version)));
    return UsedShortcut{
        name(), absl::StrCat(lines[1], " files compiled by Python ", version), keep + undo, {}};
  }

 private:
  // "3.11" from the package python3.11-minimal.
  static std::string VersionIn(const AptPlan& plan) {
    for (const DebianPackage& package : plan.packages) {
      if (!absl::StartsWith(package.name, "python3.") || !absl::EndsWith(package.name, "-minimal")) continue;
      const std::string version = package.name.substr(6, package.name.size() - 6 - 8);
      if (version.find_first_not_of("0123456789.") == std::string::npos) return version;
    }
    return "";
  }

  // As its script asks for them: what dpkg -L lists of the library's minimal package.
  static absl::StatusOr<std::string> FilesOf(const ShortcutContext& context, const std::string& version) {
    std::string files;
    for (const DebianPackage& package : context.plan.packages) {
      if (package.name != absl::StrCat("libpython", version, "-minimal")) continue;
      const std::string list =
          absl::StrCat("/var/lib/dpkg/info/", package.name, ":", package.architecture, ".list");
      if (!IsFileInTree(context.tree, list)) continue;
      RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(context.tree / list.substr(1)));
      for (absl::string_view line : absl::StrSplit(text, '\n')) {
        if (!absl::StartsWith(line, absl::StrCat("/usr/lib/python", version, "/")) ||
            !absl::EndsWith(line, ".py"))
          continue;
        if (!absl::EndsWith(line, "/sitecustomize.py")) absl::StrAppend(&files, line, "\n");
      }
    }
    return files;
  }

  // Of py_compile.py.
  static std::string BytecodeOf(const std::string& version) {
    std::string tag = version;
    tag.erase(std::remove(tag.begin(), tag.end(), '.'), tag.end());
    return absl::StrCat("/usr/lib/python", version, "/__pycache__/py_compile.cpython-", tag, ".pyc");
  }

  // Returns the lines that bring it back.
  static absl::StatusOr<std::string> KeepBytecode(const fs::path& tree, const std::string& program,
                                                  const std::string& bytecode) {
    const std::string kept = OriginalOf(bytecode);
    std::error_code error;
    fs::copy_file(tree / bytecode.substr(1), tree / kept.substr(1), error);
    if (error) return ErrnoStatus(error.value(), "copy", bytecode);
    return WhileItStands(program, absl::StrCat("mv -f '", kept, "' '", bytecode, "'"));
  }
};

}  // namespace

std::unique_ptr<Shortcut> MakePythonBytecode() { return std::make_unique<PythonBytecode>(); }

}  // namespace rootwright
