#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "executors/rootfs/spec/portage_keyword.h"
#include "executors/rootfs/spec/tree_reader.h"

namespace rootwright {
namespace {

using Kind = YamlNode::Kind;

constexpr size_t kMostWords = 1024;
constexpr size_t kLongestShown = 60;

constexpr std::array<std::pair<const char*, PlanChange>, 4> kChanges = {{
    {"use", PlanChange::kUse},
    {"keywords", PlanChange::kKeywords},
    {"license", PlanChange::kLicense},
    {"mask", PlanChange::kMask},
}};

// What is said of the words below `use`, and of those below `kw`.
enum class WordKind { kUse, kKeyword };

// A word as it stands in the file.
struct PlacedWord {
  std::string text;
  int line = 0;
  int column = 0;
};

bool Contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string Short(const std::string& text) {
  return text.size() <= kLongestShown ? text : absl::StrCat(text.substr(0, kLongestShown), "…");
}

class PortageReader : public TreeReader {
 public:
  PortageReader(const SourceLines& lines, ParsedSpecification& parsed, const std::string& keyword)
      : TreeReader(lines, parsed), target_(keyword) {}

  void Read(const YamlNode& top) {
    specification().package_manager = PackageManager::kPortage;
    for (const auto& [key, value] : KnownEntries(top, TopKeys({"global"}))) {
      if (ReadCommonKey(key->scalar, *value)) continue;
      if (key->scalar == "package_manager") ReadPackageManager(*value);
      if (key->scalar == "global") settings().global = ReadOptions(*key, *value);
      if (key->scalar == "packages") ReadPackages(*value);
    }
  }

 private:
  PortageSettings& settings() { return specification().portage; }

  void ReadPackageManager(const YamlNode& node) {
    constexpr char kExample[] = "e.g. 'package_manager: {portage: {root_mode: separate}}'";
    if (!Expect(node, Kind::kMap, "'package_manager'", kExample)) return;
    for (const auto& [key, value] : KnownEntries(node, {"portage"}, "there are 'apt' and 'portage'")) {
      if (value->Is(Kind::kNull) || !Expect(*value, Kind::kMap, "'portage'", kExample)) continue;
      for (const auto& [name, setting] : KnownEntries(*value, {"root_mode", "allow_changes"},
                                                      "there are 'root_mode' and 'allow_changes'")) {
        name->scalar == "root_mode" ? ReadRootMode(*setting) : ReadAllowedChanges(*setting);
      }
    }
  }

  void ReadRootMode(const YamlNode& node) {
    if (!Expect(node, Kind::kScalar, "'root_mode'", "'in_place' or 'separate'")) return;
    if (node.scalar == "separate") {
      settings().root_mode = RootMode::kSeparate;
    } else if (node.scalar != "in_place") {
      const std::string nearest = NearestWord(node.scalar, {"in_place", "separate"});
      Error(node,
            absl::StrCat("no such root mode: '", node.scalar, "'",
                         nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?")),
            "'in_place' or 'separate'");
    }
  }

  void ReadAllowedChanges(const YamlNode& node) {
    if (!Expect(node, Kind::kList, "'allow_changes'", "e.g. '[use, keywords]'")) return;
    for (const YamlNode& item : node.items) {
      if (!Expect(item, Kind::kScalar, "a change")) continue;
      const auto* const found = std::find_if(kChanges.begin(), kChanges.end(),
                                             [&](const auto& change) { return item.scalar == change.first; });
      if (found == kChanges.end()) {
        Error(item, absl::StrCat("no such change: '", item.scalar, "'"),
              "there are 'use', 'keywords', 'license' and 'mask'");
      } else {
        settings().allowed_changes.insert(found->second);
      }
    }
  }

  void ReadPackages(const YamlNode& node) {
    if (node.Is(Kind::kNull)) return;
    if (!Expect(node, Kind::kMap, "'packages'", "write each package as 'category/name: {}'")) return;
    if (node.entries.size() > kMostPackages) {
      return Error(node, absl::StrCat("more than ", kMostPackages, " packages"));
    }
    for (const auto& [key, value] : UniqueEntries(node, Again::kWarning)) ReadPackage(*key, *value);
  }

  void ReadPackage(const YamlNode& key, const YamlNode& value) {
    ParsedAtom parsed = ParsePortageAtom(key.scalar);
    if (!parsed.atom.has_value()) {
      const int within = CharactersIn(key.scalar, parsed.at) + (IsQuoted(key) ? 1 : 0);
      return Error(key.line, key.column + within, parsed.message, parsed.hint);
    }
    PortagePackage package;
    package.atom = *std::move(parsed.atom);
    package.line = key.line;
    package.column = key.column;
    package.options = ReadOptions(key, value);
    const bool plain = package.options.use.empty() && package.options.keywords.empty();
    if (package.atom.kind == PortageAtom::Kind::kSet && !plain) {
      Error(key, "a set has no options of its own", "name its packages, or use 'global'");
    } else if (package.atom.kind == PortageAtom::Kind::kWildcard && plain) {
      Warn(key, absl::StrCat("'", key.scalar, "' installs nothing: it stands for whatever matches"),
           "give it options for these, or name a package");
    }
    settings().packages.push_back(std::move(package));
  }

  bool IsQuoted(const YamlNode& node) const {
    const absl::string_view line = lines().Line(node.line);
    // Columns count characters; what stands before a key is blanks, as a rule.
    const auto at = static_cast<size_t>(node.column - 1);
    return at < line.size() && (line[at] == '"' || line[at] == '\'');
  }

  PortageOptions ReadOptions(const YamlNode& key, const YamlNode& node) {
    PortageOptions options;
    if (node.Is(Kind::kNull)) return options;
    if (!Expect(node, Kind::kMap, absl::StrCat("the options of '", key.scalar, "'"),
                "'{}' for none, or e.g. '{use: {+: \"ssl\", -: \"X\"}}'")) {
      return options;
    }
    for (const auto& [name, value] :
         KnownEntries(node, {"use", "kw"}, "there are 'use' (USE flags) and 'kw' (keywords)")) {
      if (name->scalar == "use") {
        options.use = ReadSigned(*name, *value, WordKind::kUse);
      } else {
        options.keywords = ReadSigned(*name, *value, WordKind::kKeyword);
      }
    }
    return options;
  }

  SignedWords ReadSigned(const YamlNode& key, const YamlNode& node, WordKind kind) {
    SignedWords words;
    if (node.Is(Kind::kNull)) return words;
    if (!node.Is(Kind::kMap)) {
      const bool glued = absl::StartsWith(node.scalar, "+:") || absl::StartsWith(node.scalar, "-:");
      Expect(node, Kind::kMap, absl::StrCat("'", key.scalar, "'"),
             glued ? "put a blank behind the ':'"
                   : absl::StrCat("write '", key.scalar, ": {+: \"…\", -: \"…\"}'"));
      return words;
    }
    for (const auto& [sign, value] : KnownEntries(node, {"+", "-"}, "there are '+' and '-'")) {
      for (const PlacedWord& word : ReadWords(*value, sign->scalar)) {
        Take(word, sign->scalar == "+", kind, words);
      }
    }
    return words;
  }

  // One string of words, or a list of such.
  std::vector<PlacedWord> ReadWords(const YamlNode& node, const std::string& sign) {
    std::vector<PlacedWord> words;
    if (node.Is(Kind::kNull)) return words;
    if (node.Is(Kind::kMap)) {
      Error(node, absl::StrCat("'", sign, "' must be a text or a list, not a map"));
      return words;
    }
    if (node.Is(Kind::kScalar)) {
      Split(node, words);
    } else {
      for (const YamlNode& item : node.items) {
        if (Expect(item, Kind::kScalar, "a word")) Split(item, words);
      }
    }
    if (words.size() > kMostWords) {
      Error(node, absl::StrCat("more than ", kMostWords, " words"));
      words.clear();
    }
    return words;
  }

  // Words of a text on one line are found in it again, those of a longer one stand at its start.
  void Split(const YamlNode& node, std::vector<PlacedWord>& words) const {
    const absl::string_view line = lines().Line(node.line);
    size_t from = std::min(line.size(), static_cast<size_t>(node.column - 1));
    for (const absl::string_view word :
         absl::StrSplit(node.scalar, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty())) {
      if (words.size() > kMostWords) return;
      const size_t found = line.size() < 4096 ? line.find(word, from) : absl::string_view::npos;
      const bool there = found != absl::string_view::npos;
      words.push_back({std::string(word), node.line, there ? CharactersIn(line, found) + 1 : node.column});
      if (there) from = found + word.size();
    }
  }

  // Puts a word to the others when it is good.
  void Take(const PlacedWord& placed, bool on, WordKind kind, SignedWords& words) {
    std::string word = placed.text;
    // embEDUx handed "+: -doc" on to Portage, which took it for what it says.
    if (on && word.size() > 1 && word.front() == '-') {
      word.erase(0, 1);
      Warn(placed.line, placed.column, absl::StrCat("'", Short(placed.text), "' under '+' switches off"),
           absl::StrCat("write '", Short(word), "' under '-'"));
      on = false;
    }
    if (!(kind == WordKind::kUse ? CheckFlag(placed, word, on) : CheckKeyword(placed, word, on))) return;
    std::vector<std::string>& list = on ? words.on : words.off;
    std::vector<std::string>& other = on ? words.off : words.on;
    if (Contains(list, word)) {
      return Warn(placed.line, placed.column, absl::StrCat("'", word, "' stands here again"));
    }
    if (Contains(other, word)) {
      Warn(placed.line, placed.column, absl::StrCat("'", word, "' is both under '+' and under '-'"),
           "'-' counts; remove one of them");
      if (on) return;
      other.erase(std::find(other.begin(), other.end(), word));
    }
    list.push_back(word);
  }

  bool CheckFlag(const PlacedWord& placed, const std::string& word, bool on) {
    if (IsUseFlag(word) || (word == "*" && !on)) return true;
    Error(placed.line, placed.column, absl::StrCat("'", Short(placed.text), "' is not a USE flag"),
          word == "*"                            ? "'*' goes only under '-', and means all"
          : absl::StrContains(word, ',')         ? "words are separated by blanks, not by commas"
          : !word.empty() && word.front() == '~' ? "keywords belong below 'kw'"
          : !word.empty() && word.front() == '-' ? "one '-' is enough"
                                                 : "letters, digits, and + - _ @ after the first");
    return false;
  }

  bool CheckKeyword(const PlacedWord& placed, const std::string& word, bool on) {
    PortageKeyword keyword;
    if (!ParseKeyword(word, keyword)) {
      Error(placed.line, placed.column, absl::StrCat("'", Short(placed.text), "' is not a keyword"),
            absl::StrContains(word, ',') ? "words are separated by blanks, not by commas"
                                         : "e.g. '~arm64', 'amd64' or '**'");
      return false;
    }
    const std::string& architecture = keyword.architecture;
    if (architecture.empty()) return true;
    if (!IsGentooArchitecture(architecture)) {
      const std::string nearest = NearestArchitecture(architecture);
      Warn(placed.line, placed.column, absl::StrCat("Gentoo has no architecture '", architecture, "'"),
           nearest.empty() ? "" : absl::StrCat("did you mean '", nearest, "'?"));
    } else if (on && !target_.empty() && architecture != target_) {
      Warn(placed.line, placed.column,
           absl::StrCat("'", word, "' is a keyword of another architecture; this one is ", target_),
           absl::StrCat("for this one write '", word.front() == '~' ? "~" : "", target_, "'"));
    }
    return true;
  }

  const std::string target_;
};

}  // namespace

void ReadPortageSpecification(const YamlNode& top, const std::string& keyword, const SourceLines& lines,
                              ParsedSpecification& parsed) {
  PortageReader(lines, parsed, keyword).Read(top);
}

}  // namespace rootwright
