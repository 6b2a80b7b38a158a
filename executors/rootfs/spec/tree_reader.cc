#include "executors/rootfs/spec/tree_reader.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rootwright {
namespace {

using Kind = YamlNode::Kind;

// Linux takes 128 KiB in one argument of a program.
constexpr size_t kLongestCommand = 120'000;
constexpr size_t kMostCommands = 1024;
constexpr size_t kMostAttributes = 4096;
// Of each severity; nobody reads on.
constexpr size_t kMostProblems = 100;

// "pre_install_overlay/etc/shadow" in its two parts; false when it is not such a path.
bool SplitOverlayPath(absl::string_view text, OverlayAttribute& attribute) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() < 2 || (parts[0] != kPreInstallOverlay && parts[0] != kPostInstallOverlay)) return false;
  for (const absl::string_view part : parts) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  attribute.overlay = std::string(parts[0]);
  attribute.path = std::string(text.substr(parts[0].size() + 1));
  return true;
}

std::optional<int> ParseMode(absl::string_view text) {
  if (text.size() < 3 || text.size() > 5) return std::nullopt;
  int mode = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '7') return std::nullopt;
    mode = mode * 8 + (digit - '0');
  }
  return mode <= 07777 ? std::optional<int>(mode) : std::nullopt;
}

}  // namespace

void TreeReader::Keep(SpecProblem problem) {
  std::vector<SpecProblem>& list = problem.severity == Severity::kError ? parsed_.problems : parsed_.warnings;
  if (list.size() > kMostProblems) return;
  if (list.size() == kMostProblems) {
    problem.message =
        absl::StrCat("more than ", kMostProblems, " ", NameOf(problem.severity), "s; the rest is not shown");
    problem.hint.clear();
  }
  list.push_back(std::move(problem));
}

void TreeReader::Error(int line, int column, std::string message, std::string hint) {
  Keep(lines_.At(line, column, std::move(message), std::move(hint)));
}

void TreeReader::Warn(int line, int column, std::string message, std::string hint) {
  SpecProblem problem = lines_.At(line, column, std::move(message), std::move(hint));
  problem.severity = Severity::kWarning;
  Keep(std::move(problem));
}

bool TreeReader::Expect(const YamlNode& node, Kind kind, absl::string_view what, std::string hint) {
  if (node.Is(kind)) return true;
  YamlNode wanted;
  wanted.kind = kind;
  Error(node, absl::StrCat(what, " must be ", wanted.KindName(), ", not ", node.KindName()), std::move(hint));
  return false;
}

std::vector<TreeReader::Entry> TreeReader::KnownEntries(const YamlNode& map,
                                                        const std::vector<std::string>& known,
                                                        const std::string& hint) {
  std::vector<Entry> entries;
  for (const Entry& entry : UniqueEntries(map)) {
    const std::string& name = entry.first->scalar;
    if (std::find(known.begin(), known.end(), name) != known.end()) {
      entries.push_back(entry);
      continue;
    }
    const std::string nearest = NearestWord(name, known);
    if (nearest.empty()) {
      Error(*entry.first, absl::StrCat("unknown key '", name, "'"), hint);
    } else {
      Error(*entry.first, absl::StrCat("unknown key '", name, "'; did you mean '", nearest, "'?"));
    }
  }
  return entries;
}

std::vector<TreeReader::Entry> TreeReader::UniqueEntries(const YamlNode& map, Again again) {
  std::vector<Entry> entries;
  std::map<std::string, size_t> places;
  for (const auto& [key, value] : map.entries) {
    if (!Expect(key, Kind::kScalar, "a key")) continue;
    const auto [seen, inserted] = places.emplace(key.scalar, entries.size());
    if (inserted) {
      entries.emplace_back(&key, &value);
      continue;
    }
    Entry& before = entries[seen->second];
    const std::string message = absl::StrCat("'", key.scalar, "' stands here again");
    if (again == Again::kError) {
      Error(key, message, absl::StrCat("it is on line ", before.first->line, " already"));
    } else {
      Warn(key, message, absl::StrCat("this one counts, not the one on line ", before.first->line));
      before = {&key, &value};
    }
  }
  return entries;
}

bool TreeReader::ReadCommonKey(const std::string& key, const YamlNode& value) {
  if (key == "pre_install_commands") {
    specification().pre_install_commands = ReadCommands(value, key);
  } else if (key == "post_install_commands") {
    specification().post_install_commands = ReadCommands(value, key);
  } else if (key == "overlay_attributes") {
    specification().overlay_attributes = ReadAttributes(value);
  } else {
    return false;
  }
  return true;
}

std::vector<SpecCommand> TreeReader::ReadCommands(const YamlNode& node, const std::string& name) {
  std::vector<SpecCommand> commands;
  if (node.Is(Kind::kNull)) return commands;
  if (!Expect(node, Kind::kList, absl::StrCat("'", name, "'"), "start each command with '- '"))
    return commands;
  if (node.items.size() > kMostCommands) {
    Error(node, absl::StrCat("more than ", kMostCommands, " commands"));
    return commands;
  }
  for (const YamlNode& item : node.items) {
    if (!Expect(item, Kind::kScalar, "a command",
                item.Is(Kind::kMap) ? "put the whole command in quotes" : "")) {
      continue;
    }
    if (absl::StripAsciiWhitespace(item.scalar).empty()) {
      Error(item, "a command is empty");
    } else if (item.scalar.size() > kLongestCommand) {
      Error(item, absl::StrCat("a command of more than ", kLongestCommand,
                               " bytes: put it into an overlay as a script"));
    } else {
      commands.push_back({item.scalar, item.line});
    }
  }
  return commands;
}

std::vector<OverlayAttribute> TreeReader::ReadAttributes(const YamlNode& node) {
  constexpr char kExample[] = "e.g. 'post_install_overlay/etc/shadow: {mode: \"0640\", group: shadow}'";
  std::vector<OverlayAttribute> attributes;
  if (node.Is(Kind::kNull)) return attributes;
  if (!Expect(node, Kind::kMap, "'overlay_attributes'", kExample)) return attributes;
  if (node.entries.size() > kMostAttributes) {
    Error(node, absl::StrCat("more than ", kMostAttributes, " overlay attributes"));
    return attributes;
  }
  for (const auto& [key, value] : UniqueEntries(node)) {
    OverlayAttribute attribute;
    attribute.line = key->line;
    attribute.column = key->column;
    if (!SplitOverlayPath(key->scalar, attribute)) {
      Error(*key, absl::StrCat("'", key->scalar, "' is not a path in an overlay"), kExample);
    } else if (ReadAttribute(*value, attribute)) {
      attributes.push_back(std::move(attribute));
    }
  }
  return attributes;
}

bool TreeReader::ReadAttribute(const YamlNode& node, OverlayAttribute& attribute) {
  if (!Expect(node, Kind::kMap, "attributes", "e.g. '{owner: root, group: shadow, mode: \"0640\"}'"))
    return false;
  bool good = true;
  for (const auto& [key, value] :
       KnownEntries(node, {"owner", "group", "mode"}, "there are owner, group and mode")) {
    const std::string what = absl::StrCat("'", key->scalar, "'");
    if (!Expect(*value, Kind::kScalar, what)) {
      good = false;
    } else if (key->scalar == "mode") {
      attribute.mode = ParseMode(value->scalar);
      if (attribute.mode.has_value()) continue;
      Error(*value, absl::StrCat("'", value->scalar, "' is not a mode"),
            "three or four octal digits, e.g. \"0640\"");
      good = false;
    } else if (IsOwnerName(value->scalar)) {
      (key->scalar == "owner" ? attribute.owner : attribute.group) = value->scalar;
    } else {
      Error(*value, absl::StrCat(what, " cannot be '", value->scalar, "'"), "a name or a number");
      good = false;
    }
  }
  return good;
}

std::vector<std::string> TopKeys(std::vector<std::string> more) {
  for (const char* key : {"package_manager", "packages", "pre_install_commands", "post_install_commands",
                          "overlay_attributes"}) {
    more.emplace_back(key);
  }
  return more;
}

}  // namespace rootwright
