#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "executors/rootfs/spec/tree_reader.h"

namespace rootwright {
namespace {

using Kind = YamlNode::Kind;

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

class AptReader : public TreeReader {
 public:
  using TreeReader::TreeReader;

  void Read(const YamlNode& top) {
    specification().package_manager = PackageManager::kApt;
    for (const auto& [key, value] :
         KnownEntries(top, TopKeys({}), "specifications for Debian packages have no such key")) {
      if (ReadCommonKey(key->scalar, *value)) continue;
      if (key->scalar == "package_manager") ReadPackageManager(*value);
      if (key->scalar == "packages") ReadPackages(*value);
    }
  }

 private:
  void ReadPackageManager(const YamlNode& node) {
    if (!Expect(node, Kind::kMap, "'package_manager'", "e.g. 'package_manager: {apt: {suite: bookworm}}'")) {
      return;
    }
    if (node.entries.empty()) Error(node, "'package_manager' is empty", "e.g. {apt: {suite: bookworm}}");
    for (const auto& [key, value] : UniqueEntries(node)) {
      if (key->scalar == "apt") {
        ReadApt(*key, *value);
      } else if (key->scalar == "portage") {
        Error(*key, "a specification has one package manager, not two", "remove 'apt' or 'portage'");
      } else {
        Error(*key, absl::StrCat("package manager '", key->scalar, "' is not supported"),
              "there are 'apt' and 'portage'");
      }
    }
  }

  void ReadApt(const YamlNode& key, const YamlNode& node) {
    AptSettings& settings = specification().apt;
    if (!node.Is(Kind::kNull) && !Expect(node, Kind::kMap, "'apt'", "e.g. 'apt: {suite: bookworm}'")) return;
    bool has_suite = false;
    for (const auto& [name, value] : KnownEntries(node, {"suite", "components"})) {
      if (name->scalar == "suite") {
        has_suite = true;
        if (ReadName(*value, "'suite'")) settings.suite = value->scalar;
      } else if (Expect(*value, Kind::kList, "'components'", "e.g. '[main]'")) {
        settings.components = ReadComponents(*value);
      }
    }
    if (!has_suite) Error(key, "'apt' has no 'suite'", "e.g. 'apt: {suite: bookworm}'");
  }

  std::vector<std::string> ReadComponents(const YamlNode& list) {
    std::vector<std::string> components;
    if (list.items.empty()) Error(list, "'components' is empty", "leave it out for [main]");
    for (const YamlNode& item : list.items) {
      if (!ReadName(item, "a component")) continue;
      if (std::find(components.begin(), components.end(), item.scalar) != components.end()) {
        Error(item, absl::StrCat("'", item.scalar, "' stands here again"));
      } else {
        components.push_back(item.scalar);
      }
    }
    return components;
  }

  bool ReadName(const YamlNode& node, absl::string_view what) {
    if (!Expect(node, Kind::kScalar, what)) return false;
    if (IsSuiteOrComponent(node.scalar)) return true;
    Error(node, absl::StrCat(what, " cannot be '", node.scalar, "'"),
          "lower-case letters, digits, and + - . _ /");
    return false;
  }

  void ReadPackages(const YamlNode& node) {
    if (node.Is(Kind::kNull)) return;
    if (!Expect(node, Kind::kMap, "'packages'", "write each package as 'name: {}'")) return;
    if (node.entries.size() > kMostPackages) {
      return Error(node, absl::StrCat("more than ", kMostPackages, " packages"));
    }
    for (const auto& [key, value] : UniqueEntries(node, Again::kWarning)) {
      if (CheckPackageName(*key)) specification().packages.push_back(ReadPackage(*key, *value));
    }
  }

  bool CheckPackageName(const YamlNode& key) {
    const std::string& name = key.scalar;
    if (IsPackageName(name)) return true;
    const size_t special = name.find_first_of("=/:");
    const absl::string_view bare = absl::string_view(name).substr(0, special);
    if (special != std::string::npos && IsPackageName(bare) && name[special] == '=') {
      Error(key, absl::StrCat("a version does not belong into the name: '", name, "'"),
            absl::StrCat("write '", std::string(bare), ": {version: \"", name.substr(special + 1), "\"}'"));
    } else if (special != std::string::npos) {
      Error(key, absl::StrCat("'", name, "' is not the name of a Debian package"),
            absl::StrCat("'", std::string(1, name[special]), "' cannot stand in one"));
    } else if (IsPackageName(absl::AsciiStrToLower(name))) {
      Error(key, absl::StrCat("'", name, "' is not the name of a Debian package"),
            absl::StrCat("names have no capital letters: '", absl::AsciiStrToLower(name), "'"));
    } else {
      Error(key, absl::StrCat("'", name, "' is not the name of a Debian package"),
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
        Error(*option, absl::StrCat("'", option->scalar, "' is not a Debian version"));
      }
    }
    return package;
  }
};

}  // namespace

void ReadAptSpecification(const YamlNode& top, const SourceLines& lines, ParsedSpecification& parsed) {
  AptReader(lines, parsed).Read(top);
}

}  // namespace rootwright
