#include "executors/rootfs/spec/specification.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/unique_fd.h"
#include "executors/rootfs/spec/overlay.h"
#include "executors/rootfs/spec/utf8.h"
#include "executors/rootfs/spec/yaml_tree.h"

namespace rootwright {
namespace {

using Kind = YamlNode::Kind;

constexpr int64_t kMostBytes = 1 << 20;
constexpr size_t kMostPackages = 4096;
// Linux takes 128 KiB in one argument of a program.
constexpr size_t kLongestCommand = 120'000;
constexpr size_t kMostCommands = 1024;
constexpr size_t kLongestName = 128;

bool AllOf(absl::string_view text, absl::string_view extra) {
  return std::all_of(text.begin(), text.end(), [extra](char c) {
    return absl::ascii_islower(static_cast<unsigned char>(c)) ||
           absl::ascii_isdigit(static_cast<unsigned char>(c)) || extra.find(c) != absl::string_view::npos;
  });
}

bool StartsWithAlnum(absl::string_view text) {
  return !text.empty() && absl::ascii_isalnum(static_cast<unsigned char>(text.front()));
}

// https://www.debian.org/doc/debian-policy/ch-controlfields.html#source
bool IsPackageName(absl::string_view name) {
  return name.size() >= 2 && name.size() <= kLongestName && StartsWithAlnum(name) && AllOf(name, "+-.");
}

// The same, #version; capital letters occur, too.
bool IsVersion(absl::string_view version) {
  return StartsWithAlnum(version) && version.size() <= kLongestName &&
         AllOf(absl::AsciiStrToLower(version), "+-.~:");
}

bool IsSuiteOrComponent(absl::string_view name) {
  return StartsWithAlnum(name) && name.size() <= kLongestName && AllOf(name, "+-._/") &&
         !absl::StrContains(name, "..");
}

// Walks the tree and collects what is wrong, going on behind each problem.
class Reader {
 public:
  Reader(const SourceLines& lines, std::vector<SpecProblem>& problems) : lines_(lines), problems_(problems) {}

  Specification ReadTop(const YamlNode& top) {
    Specification specification;
    if (top.Is(Kind::kNull)) {
      Problem(1, 1, "the file is empty", "start with 'package_manager:' and 'packages:'");
      return specification;
    }
    if (!Expect(top, Kind::kMap, "a specification")) return specification;
    const std::vector<std::string> known = {"package_manager", "packages", "pre_install_commands",
                                            "post_install_commands"};
    if (!HasPackageManager(top)) return specification;
    for (const auto& [key, value] : KnownEntries(top, known)) {
      if (*key == "package_manager") specification.apt = ReadPackageManager(*value);
      if (*key == "packages") specification.packages = ReadPackages(*value);
      if (*key == "pre_install_commands") specification.pre_install_commands = ReadCommands(*value, *key);
      if (*key == "post_install_commands") specification.post_install_commands = ReadCommands(*value, *key);
    }
    return specification;
  }

 private:
  void Problem(int line, int column, std::string message, std::string hint = "") {
    problems_.push_back(lines_.At(line, column, std::move(message), std::move(hint)));
  }
  void Problem(const YamlNode& node, std::string message, std::string hint = "") {
    Problem(node.line, node.column, std::move(message), std::move(hint));
  }

  bool Expect(const YamlNode& node, Kind kind, absl::string_view what, std::string hint = "") {
    if (node.Is(kind)) return true;
    YamlNode wanted;
    wanted.kind = kind;
    Problem(node, absl::StrCat(what, " must be ", wanted.KindName(), ", not ", node.KindName()),
            std::move(hint));
    return false;
  }

  // Portage specifications have no such key. A misspelt one is a misspelt one, though.
  bool HasPackageManager(const YamlNode& top) {
    for (const auto& [key, value] : top.entries) {
      if (key.scalar == "package_manager") return true;
    }
    for (const auto& [key, value] : top.entries) {
      if (NearestWord(key.scalar, {"package_manager"}).empty()) continue;
      Problem(key, absl::StrCat("unknown key '", key.scalar, "'; did you mean 'package_manager'?"));
      return false;
    }
    Problem(top,
            "there is no key 'package_manager': Portage specifications are not supported by this version yet",
            "for Debian packages add 'package_manager: {apt: {suite: bookworm}}'");
    return false;
  }

  // The entries whose keys are among `known`, each once; the others become problems.
  std::vector<std::pair<const std::string*, const YamlNode*>> KnownEntries(
      const YamlNode& map, const std::vector<std::string>& known) {
    std::vector<std::pair<const std::string*, const YamlNode*>> entries;
    for (const auto& [key, value] : UniqueEntries(map)) {
      const std::string& name = key->scalar;
      if (std::find(known.begin(), known.end(), name) != known.end()) {
        entries.emplace_back(&name, value);
        continue;
      }
      const std::string nearest = NearestWord(name, known);
      Problem(*key, absl::StrCat("unknown key '", name, "'",
                                 nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?")));
    }
    return entries;
  }

  std::vector<std::pair<const YamlNode*, const YamlNode*>> UniqueEntries(const YamlNode& map) {
    std::vector<std::pair<const YamlNode*, const YamlNode*>> entries;
    std::map<std::string, int> first_lines;
    for (const auto& [key, value] : map.entries) {
      if (!Expect(key, Kind::kScalar, "a key")) continue;
      const auto [seen, inserted] = first_lines.emplace(key.scalar, key.line);
      if (inserted) {
        entries.emplace_back(&key, &value);
      } else {
        Problem(key, absl::StrCat("'", key.scalar, "' stands here again"),
                absl::StrCat("it is on line ", seen->second, " already"));
      }
    }
    return entries;
  }

  AptSettings ReadPackageManager(const YamlNode& node) {
    AptSettings settings;
    if (!Expect(node, Kind::kMap, "'package_manager'", "e.g. 'package_manager: {apt: {suite: bookworm}}'")) {
      return settings;
    }
    if (node.entries.empty()) Problem(node, "'package_manager' is empty", "e.g. {apt: {suite: bookworm}}");
    for (const auto& [key, value] : UniqueEntries(node)) {
      if (key->scalar == "apt") {
        settings = ReadApt(*key, *value);
      } else {
        Problem(*key, absl::StrCat("package manager '", key->scalar, "' is not supported"), "only 'apt' is");
      }
    }
    return settings;
  }

  AptSettings ReadApt(const YamlNode& key, const YamlNode& node) {
    AptSettings settings;
    if (!node.Is(Kind::kNull) && !Expect(node, Kind::kMap, "'apt'", "e.g. 'apt: {suite: bookworm}'"))
      return settings;
    bool has_suite = false;
    for (const auto& [name, value] : KnownEntries(node, {"suite", "components"})) {
      if (*name == "suite") {
        has_suite = true;
        if (ReadName(*value, "'suite'")) settings.suite = value->scalar;
      } else if (Expect(*value, Kind::kList, "'components'", "e.g. '[main]'")) {
        settings.components = ReadComponents(*value);
      }
    }
    if (!has_suite) Problem(key, "'apt' has no 'suite'", "e.g. 'apt: {suite: bookworm}'");
    return settings;
  }

  std::vector<std::string> ReadComponents(const YamlNode& list) {
    std::vector<std::string> components;
    if (list.items.empty()) Problem(list, "'components' is empty", "leave it out for [main]");
    for (const YamlNode& item : list.items) {
      if (!ReadName(item, "a component")) continue;
      if (std::find(components.begin(), components.end(), item.scalar) != components.end()) {
        Problem(item, absl::StrCat("'", item.scalar, "' stands here again"));
      } else {
        components.push_back(item.scalar);
      }
    }
    return components;
  }

  bool ReadName(const YamlNode& node, absl::string_view what) {
    if (!Expect(node, Kind::kScalar, what)) return false;
    if (IsSuiteOrComponent(node.scalar)) return true;
    Problem(node, absl::StrCat(what, " cannot be '", node.scalar, "'"),
            "lower-case letters, digits, and + - . _ /");
    return false;
  }

  std::vector<RequestedPackage> ReadPackages(const YamlNode& node) {
    std::vector<RequestedPackage> packages;
    if (node.Is(Kind::kNull)) return packages;
    if (!Expect(node, Kind::kMap, "'packages'", "write each package as 'name: {}'")) return packages;
    if (node.entries.size() > kMostPackages) {
      Problem(node, absl::StrCat("more than ", kMostPackages, " packages"));
      return packages;
    }
    for (const auto& [key, value] : UniqueEntries(node)) {
      if (CheckPackageName(*key)) packages.push_back(ReadPackage(*key, *value));
    }
    return packages;
  }

  bool CheckPackageName(const YamlNode& key) {
    const std::string& name = key.scalar;
    if (IsPackageName(name)) return true;
    const size_t special = name.find_first_of("=/:");
    const absl::string_view bare = absl::string_view(name).substr(0, special);
    if (special != std::string::npos && IsPackageName(bare) && name[special] == '=') {
      Problem(key, absl::StrCat("a version does not belong into the name: '", name, "'"),
              absl::StrCat("write '", std::string(bare), ": {version: \"", name.substr(special + 1), "\"}'"));
    } else if (special != std::string::npos) {
      Problem(key, absl::StrCat("'", name, "' is not the name of a Debian package"),
              absl::StrCat("'", std::string(1, name[special]), "' cannot stand in one"));
    } else if (IsPackageName(absl::AsciiStrToLower(name))) {
      Problem(key, absl::StrCat("'", name, "' is not the name of a Debian package"),
              absl::StrCat("names have no capital letters: '", absl::AsciiStrToLower(name), "'"));
    } else {
      Problem(key, absl::StrCat("'", name, "' is not the name of a Debian package"),
              "two or more of: lower-case letters, digits, + - .");
    }
    return false;
  }

  RequestedPackage ReadPackage(const YamlNode& key, const YamlNode& value) {
    RequestedPackage package;
    package.name = key.scalar;
    package.line = key.line;
    package.column = key.column;
    if (value.Is(Kind::kNull)) return package;
    if (!Expect(value, Kind::kMap, absl::StrCat("the options of '", key.scalar, "'"),
                "'{}' for none, or e.g. '{version: \"1.0-1\"}'")) {
      return package;
    }
    for (const auto& [name, option] : KnownEntries(value, {"version"})) {
      if (!Expect(*option, Kind::kScalar, "'version'")) continue;
      if (IsVersion(option->scalar)) {
        package.version = option->scalar;
      } else {
        Problem(*option, absl::StrCat("'", option->scalar, "' is not a Debian version"));
      }
    }
    return package;
  }

  std::vector<SpecCommand> ReadCommands(const YamlNode& node, const std::string& name) {
    std::vector<SpecCommand> commands;
    if (node.Is(Kind::kNull)) return commands;
    if (!Expect(node, Kind::kList, absl::StrCat("'", name, "'"), "start each command with '- '"))
      return commands;
    if (node.items.size() > kMostCommands) {
      Problem(node, absl::StrCat("more than ", kMostCommands, " commands"));
      return commands;
    }
    for (const YamlNode& item : node.items) {
      if (!Expect(item, Kind::kScalar, "a command",
                  item.Is(Kind::kMap) ? "put the whole command in quotes" : "")) {
        continue;
      }
      if (absl::StripAsciiWhitespace(item.scalar).empty()) {
        Problem(item, "a command is empty");
      } else if (item.scalar.size() > kLongestCommand) {
        Problem(item, absl::StrCat("a command of more than ", kLongestCommand,
                                   " bytes: put it into an overlay as a script"));
      } else {
        commands.push_back({item.scalar, item.line});
      }
    }
    return commands;
  }

  const SourceLines& lines_;
  std::vector<SpecProblem>& problems_;
};

SpecProblem FileProblem(absl::string_view file, std::string message, std::string hint = "") {
  SpecProblem problem;
  problem.file = std::string(file);
  problem.message = std::move(message);
  problem.hint = std::move(hint);
  return problem;
}

}  // namespace

ParsedSpecification ParseSpecification(absl::string_view text, absl::string_view file) {
  ParsedSpecification parsed;
  if (static_cast<int64_t>(text.size()) > kMostBytes) {
    parsed.problems.push_back(FileProblem(file, "larger than 1 MiB"));
    return parsed;
  }
  const SourceLines lines(std::string(file), text);
  if (const std::optional<BadByte> bad = FindBadByte(text); bad.has_value()) {
    parsed.problems.push_back(lines.At(bad->line, bad->column, bad->why));
    parsed.problems.back().line_text.clear();
    return parsed;
  }
  const YamlNode top = ParseYaml(text, lines, parsed.problems);
  if (!parsed.ok()) return parsed;
  parsed.specification = Reader(lines, parsed.problems).ReadTop(top);
  std::stable_sort(parsed.problems.begin(), parsed.problems.end(),
                   [](const SpecProblem& a, const SpecProblem& b) {
                     return std::pair(a.line, a.column) < std::pair(b.line, b.column);
                   });
  return parsed;
}

ParsedSpecification LoadSpecification(const std::filesystem::path& folder) {
  ParsedSpecification parsed;
  const std::filesystem::path path = folder / kConfigurationFile;
  struct stat info {};
  // Not followed: a link in a specification must not show a file of the build host.
  if (lstat(path.c_str(), &info) != 0) {
    parsed.problems.push_back(FileProblem(kConfigurationFile,
                                          errno == ENOENT ? "there is no such file" : std::strerror(errno),
                                          "a specification is a folder with a configuration.yml in it"));
  } else if (!S_ISREG(info.st_mode)) {
    parsed.problems.push_back(FileProblem(kConfigurationFile, "is not a regular file"));
  } else if (info.st_size > kMostBytes) {
    parsed.problems.push_back(FileProblem(kConfigurationFile, "larger than 1 MiB"));
  } else if (absl::StatusOr<std::string> text = ReadFile(path, kMostBytes); text.ok()) {
    parsed = ParseSpecification(*text);
  } else {
    parsed.problems.push_back(FileProblem(kConfigurationFile, std::string(text.status().message())));
  }
  for (const char* overlay : {kPreInstallOverlay, kPostInstallOverlay}) {
    for (SpecProblem& problem : CheckOverlay(folder, overlay)) parsed.problems.push_back(std::move(problem));
  }
  return parsed;
}

}  // namespace rootwright
