#include "executors/rootfs/spec/specification.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "executors/rootfs/spec/overlay.h"
#include "executors/rootfs/spec/portage_overlay.h"
#include "executors/rootfs/spec/tree_reader.h"
#include "executors/rootfs/spec/utf8.h"
#include "executors/rootfs/spec/yaml_tree.h"

namespace rootwright {
namespace {

using Kind = YamlNode::Kind;

constexpr int64_t kMostBytes = 1 << 20;
constexpr char kAddManager[] = "for Debian packages add 'package_manager: {apt: {suite: bookworm}}'";

bool Before(const SpecProblem& a, const SpecProblem& b) {
  return std::pair(a.line, a.column) < std::pair(b.line, b.column);
}

void Sort(std::vector<SpecProblem>& problems) { std::stable_sort(problems.begin(), problems.end(), Before); }

SpecProblem FileProblem(absl::string_view file, std::string message, std::string hint = "") {
  SpecProblem problem;
  problem.file = std::string(file);
  problem.message = std::move(message);
  problem.hint = std::move(hint);
  return problem;
}

const YamlNode* ValueOf(const YamlNode& map, absl::string_view wanted) {
  for (const auto& [key, value] : map.entries) {
    if (key.scalar == wanted) return &value;
  }
  return nullptr;
}

// All packages look like Debian's: somebody forgot to say so.
bool NamesDebianPackages(const YamlNode& top) {
  const YamlNode* packages = ValueOf(top, "packages");
  return packages != nullptr && !packages->entries.empty() &&
         std::none_of(packages->entries.begin(), packages->entries.end(), [](const YamlNode::Entry& entry) {
           return entry.key.scalar.find_first_of("/@") != std::string::npos;
         });
}

// Which of the two it is. When that cannot be told, why not is the only problem: most others
// would follow from it.
std::optional<PackageManager> ManagerOf(const YamlNode& top, const SourceLines& lines,
                                        std::vector<SpecProblem>& problems) {
  if (top.Is(Kind::kNull)) {
    problems.push_back(
        lines.At(1, 1, "the file is empty", "start with 'packages:'; rootwright spec init writes one"));
    return std::nullopt;
  }
  if (!top.Is(Kind::kMap)) {
    problems.push_back(lines.At(top, absl::StrCat("a specification must be a map, not ", top.KindName())));
    return std::nullopt;
  }
  if (const YamlNode* manager = ValueOf(top, "package_manager"); manager != nullptr) {
    const bool portage = ValueOf(*manager, "portage") != nullptr && ValueOf(*manager, "apt") == nullptr;
    return portage ? PackageManager::kPortage : PackageManager::kApt;
  }
  // embEDUx had no such key. A misspelt one is a misspelt one, though.
  for (const auto& [key, value] : top.entries) {
    if (NearestWord(key.scalar, {"package_manager"}).empty()) continue;
    problems.push_back(
        lines.At(key, absl::StrCat("unknown key '", key.scalar, "'; did you mean 'package_manager'?")));
    return std::nullopt;
  }
  if (NamesDebianPackages(top)) {
    problems.push_back(lines.At(
        top, "there is no key 'package_manager', and no package here has a category as Portage's have",
        kAddManager));
    return std::nullopt;
  }
  return PackageManager::kPortage;
}

void ParseText(absl::string_view text, const SourceLines& lines, const ParseOptions& options,
               ParsedSpecification& parsed) {
  if (const std::optional<BadByte> bad = FindBadByte(text); bad.has_value()) {
    parsed.problems.push_back(lines.At(bad->line, bad->column, bad->why));
    parsed.problems.back().line_text.clear();
    return;
  }
  const YamlNode top = ParseYaml(text, lines, parsed.problems);
  if (!parsed.ok()) return;
  const std::optional<PackageManager> manager = ManagerOf(top, lines, parsed.problems);
  if (manager == PackageManager::kApt) ReadAptSpecification(top, lines, parsed);
  if (manager == PackageManager::kPortage) ReadPortageSpecification(top, options.keyword, lines, parsed);
  Sort(parsed.problems);
  Sort(parsed.warnings);
}

// Each attribute is of something that the overlay has.
void CheckAttributes(const std::filesystem::path& folder, const SourceLines& lines,
                     ParsedSpecification& parsed) {
  for (const OverlayAttribute& attribute : parsed.specification.overlay_attributes) {
    const std::filesystem::path path = std::filesystem::path(attribute.overlay) / attribute.path;
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::symlink_status(folder / path, error);
    if (!IsFolderWithin(folder, path.parent_path()) || !std::filesystem::exists(status)) {
      parsed.problems.push_back(lines.At(attribute.line, attribute.column,
                                         absl::StrCat("there is no '", path.string(), "'"),
                                         "attributes are for files that an overlay has"));
    } else if (std::filesystem::is_symlink(status) && attribute.mode.has_value()) {
      parsed.problems.push_back(lines.At(attribute.line, attribute.column,
                                         absl::StrCat("'", path.string(), "' is a link"),
                                         "links have no mode; name what it leads to"));
    }
  }
}

// A set that neither Portage nor the overlay has may still come from a repository.
void CheckSets(const SourceLines& lines, ParsedSpecification& parsed) {
  std::vector<std::string> known = {"world", "selected", "system", "profile", "installed"};
  const PortageSettings& portage = parsed.specification.portage;
  known.insert(known.end(), portage.overlay.sets.begin(), portage.overlay.sets.end());
  for (const PortagePackage& package : portage.packages) {
    const std::string& name = package.atom.package;
    if (package.atom.kind != PortageAtom::Kind::kSet) continue;
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string nearest = NearestWord(name, known);
    SpecProblem warning =
        lines.At(package.line, package.column, absl::StrCat("the overlay has no etc/portage/sets/", name),
                 nearest.empty() ? "Portage may know it from a repository"
                                 : absl::StrCat("did you mean '@", nearest, "'?"));
    warning.severity = Severity::kWarning;
    parsed.warnings.push_back(std::move(warning));
  }
}

absl::StatusOr<std::string> ReadConfiguration(const std::filesystem::path& path, SpecProblem& problem) {
  struct stat info {};
  // Not followed: a link in a specification must not show a file of the build host.
  if (lstat(path.c_str(), &info) != 0) {
    problem =
        FileProblem(kConfigurationFile, errno == ENOENT ? "there is no such file" : std::strerror(errno),
                    "a specification is a folder with a configuration.yml in it");
  } else if (!S_ISREG(info.st_mode)) {
    problem = FileProblem(kConfigurationFile, "is not a regular file");
  } else if (info.st_size > kMostBytes) {
    problem = FileProblem(kConfigurationFile, "larger than 1 MiB");
  } else {
    absl::StatusOr<std::string> text = ReadFile(path, kMostBytes);
    if (!text.ok()) problem = FileProblem(kConfigurationFile, std::string(text.status().message()));
    return text;
  }
  return absl::InvalidArgumentError(problem.message);
}

}  // namespace

size_t Specification::packages_asked() const {
  if (package_manager == PackageManager::kApt) return packages.size();
  return static_cast<size_t>(std::count_if(
      portage.packages.begin(), portage.packages.end(),
      [](const PortagePackage& package) { return package.atom.kind != PortageAtom::Kind::kWildcard; }));
}

std::vector<SpecProblem> ParsedSpecification::AllInOrder() const {
  std::vector<SpecProblem> all;
  // Those of whole files, which have no line, stay behind as they were found.
  const auto placed = std::find_if(problems.begin(), problems.end(),
                                   [](const SpecProblem& problem) { return problem.line == 0; });
  std::merge(problems.begin(), placed, warnings.begin(), warnings.end(), std::back_inserter(all), Before);
  all.insert(all.end(), placed, problems.end());
  return all;
}

ParsedSpecification ParseSpecification(absl::string_view text, const ParseOptions& options) {
  ParsedSpecification parsed;
  if (static_cast<int64_t>(text.size()) > kMostBytes) {
    parsed.problems.push_back(FileProblem(options.file, "larger than 1 MiB"));
    return parsed;
  }
  ParseText(text, SourceLines(options.file, text), options, parsed);
  return parsed;
}

ParsedSpecification LoadSpecification(const std::filesystem::path& folder, const ParseOptions& options) {
  ParsedSpecification parsed;
  SpecProblem unreadable;
  if (const auto text = ReadConfiguration(folder / kConfigurationFile, unreadable); text.ok()) {
    const SourceLines lines(options.file, *text);
    ParseText(*text, lines, options, parsed);
    CheckAttributes(folder, lines, parsed);
    Sort(parsed.problems);
    if (parsed.specification.package_manager == PackageManager::kPortage) {
      parsed.specification.portage.overlay = ReadPortageOverlay(folder, parsed.problems);
      CheckSets(lines, parsed);
      Sort(parsed.warnings);
    }
  } else {
    parsed.problems.push_back(std::move(unreadable));
  }
  for (const char* overlay : {kPreInstallOverlay, kPostInstallOverlay}) {
    for (SpecProblem& problem : CheckOverlay(folder, overlay)) parsed.problems.push_back(std::move(problem));
  }
  return parsed;
}

}  // namespace rootwright
