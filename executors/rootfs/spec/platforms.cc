#include "executors/rootfs/spec/platforms.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "executors/rootfs/spec/platforms.pb.h"
#include "executors/rootfs/spec/portage_keyword.h"
#include "executors/rootfs/spec/problem.h"

namespace rootwright {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::TextFormat;

constexpr size_t kLongestName = 64;
constexpr size_t kLongestValue = 1024;
constexpr size_t kMostMistakes = 50;

std::vector<std::string> FieldsOf(const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) names.push_back(message.field(i)->name());
  return names;
}

// The field that the parser does not know; empty when its message is about something else.
std::string UnknownField(const std::string& message) {
  constexpr absl::string_view kNoField = "has no field named \"";
  const size_t at = message.find(kNoField.data(), 0, kNoField.size());
  if (at == std::string::npos) return "";
  const size_t start = at + kNoField.size();
  return message.substr(start, message.find('"', start) - start);
}

// The parser's words about one, with the field that was probably meant.
std::string WithSuggestion(const std::string& message) {
  const std::string name = UnknownField(message);
  if (name.empty()) return message;
  const bool inner = absl::StrContains(message, spec::v1::Platform::descriptor()->full_name() + "\"");
  const Descriptor& type = inner ? *spec::v1::Platform::descriptor() : *spec::v1::Platforms::descriptor();
  const std::string nearest = NearestWord(name, FieldsOf(type));
  return absl::StrCat("unknown field '", name, "'",
                      nearest.empty() ? absl::StrCat("; there are: ", absl::StrJoin(FieldsOf(type), ", "))
                                      : absl::StrCat("; did you mean '", nearest, "'?"));
}

// Collects what protobuf's parser and our own checks find wrong.
class Mistakes : public google::protobuf::io::ErrorCollector {
 public:
  Mistakes(absl::string_view origin, absl::string_view text)
      : origin_(origin), text_(absl::StrSplit(text, '\n')) {}

  // protobuf counts lines and columns from 0; -1 is no place.
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) override {
    if (lines_.size() >= kMostMistakes) return;
    // The parser has read on to what stands behind the field's name.
    const std::string field = UnknownField(message);
    if (!field.empty() && line >= 0 && static_cast<size_t>(line) < text_.size()) {
      const size_t found = text_[static_cast<size_t>(line)].rfind(field, static_cast<size_t>(column));
      if (found != absl::string_view::npos) column = static_cast<int>(found);
    }
    const std::string place = line < 0 ? "" : absl::StrCat(line + 1, ":", column + 1, ":");
    lines_.push_back(absl::StrCat(origin_, ":", place, " ", WithSuggestion(message)));
  }
  void AddWarning(int, google::protobuf::io::ColumnNumber, const std::string&) override {}

  bool empty() const { return lines_.empty(); }
  absl::Status ToStatus() const { return absl::InvalidArgumentError(absl::StrJoin(lines_, "\n")); }

 private:
  const std::string origin_;
  const std::vector<absl::string_view> text_;
  std::vector<std::string> lines_;
};

bool IsName(absl::string_view text) {
  return !text.empty() && text.size() <= kLongestName &&
         absl::ascii_islower(static_cast<unsigned char>(text[0])) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '_';
         });
}

// Values become parts of make.conf, paths and command lines: nothing in them may mean more
// than itself there.
bool IsPlainValue(absl::string_view text, bool blanks) {
  return text.size() <= kLongestValue && std::all_of(text.begin(), text.end(), [blanks](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("_-+.,=/:@%", c) ||
                  (blanks && c == ' ');
         });
}

// One platform of the file, and where its fields stand.
class PlatformReader {
 public:
  PlatformReader(const spec::v1::Platform& from, TextFormat::ParseInfoTree* tree, Mistakes& mistakes)
      : from_(from), tree_(tree), mistakes_(mistakes) {}

  Platform Read() {
    Platform platform;
    platform.name = from_.name();
    if (!IsName(platform.name)) {
      Wrong("name",
            absl::StrCat("'", absl::CHexEscape(platform.name),
                         "': lower-case letters, digits and '_', a letter first, are a platform's name"));
    }
    const auto architecture = ArchitectureFromDebianName(from_.architecture());
    if (architecture.has_value()) {
      platform.architecture = *architecture;
    } else {
      Wrong("architecture", from_.architecture().empty()
                                ? "is missing"
                                : absl::StrCat("'", absl::CHexEscape(from_.architecture()),
                                               "' is none of amd64, arm64, armhf, riscv64, armel"));
    }
    platform.abi = from_.abi().empty() ? NamesOf(platform.architecture).abi : Value("abi", from_.abi());
    platform.chost = Required("chost", from_.chost());
    platform.cflags = Required("cflags", from_.cflags(), true);
    platform.profile = Value("profile", from_.profile());
    platform.cpu_model = Value("cpu_model", from_.cpu_model());
    platform.image = Value("image", from_.image());
    return platform;
  }

  void Wrong(const std::string& field, const std::string& why) {
    TextFormat::ParseLocation place;
    if (tree_ != nullptr) {
      place = tree_->GetLocation(spec::v1::Platform::descriptor()->FindFieldByName(field), -1);
      // A field that is missing: the first one that is there tells which platform it is.
      const Descriptor& type = *spec::v1::Platform::descriptor();
      for (int i = 0; place.line < 0 && i < type.field_count(); ++i)
        place = tree_->GetLocation(type.field(i), -1);
    }
    mistakes_.AddError(place.line, place.column, absl::StrCat(field, ": ", why));
  }

 private:
  std::string Value(const std::string& field, const std::string& value, bool blanks = false) {
    if (IsPlainValue(value, blanks) && !absl::StrContains(value, "..")) return value;
    Wrong(field, absl::StrCat("'", absl::CHexEscape(value.substr(0, kLongestName)), "' cannot be one"));
    return "";
  }
  std::string Required(const std::string& field, const std::string& value, bool blanks = false) {
    if (value.empty()) Wrong(field, "is missing");
    return Value(field, value, blanks);
  }

  const spec::v1::Platform& from_;
  TextFormat::ParseInfoTree* const tree_;
  Mistakes& mistakes_;
};

std::string NamesOfAll(const std::vector<Platform>& platforms) {
  return absl::StrJoin(platforms, ", ",
                       [](std::string* out, const Platform& platform) { out->append(platform.name); });
}

std::vector<std::string> NameList(const std::vector<Platform>& platforms) {
  std::vector<std::string> names;
  for (const Platform& platform : platforms) names.push_back(platform.name);
  return names;
}

// What the branch was probably meant to be; empty when nothing is near.
std::string NearestBranch(const std::vector<Platform>& platforms, absl::string_view branch) {
  // The more of the branch a name accounts for, the likelier it was meant.
  for (size_t end = branch.rfind('_'); end != absl::string_view::npos && end > 0;
       end = branch.rfind('_', end - 1)) {
    const std::string nearest = NearestWord(branch.substr(0, end), NameList(platforms));
    if (!nearest.empty())
      return absl::StrCat(nearest, end + 1 == branch.size() ? "_NAME" : branch.substr(end));
  }
  for (const char* separator : {"-", "/", "."}) {
    for (const Platform& platform : platforms) {
      const std::string start = absl::StrCat(platform.name, separator);
      if (absl::StartsWith(branch, start)) {
        return absl::StrCat(platform.name, "_", branch.substr(start.size()));
      }
    }
  }
  const std::string nearest = NearestWord(branch, NameList(platforms));
  return nearest.empty() ? "" : absl::StrCat(nearest, "_NAME");
}

}  // namespace

std::string Platform::keyword() const { return KeywordOf(architecture); }

absl::StatusOr<std::vector<Platform>> ParsePlatforms(absl::string_view text, absl::string_view origin) {
  Mistakes mistakes(origin, text);
  spec::v1::Platforms file;
  TextFormat::ParseInfoTree tree;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&mistakes);
  parser.WriteLocationsTo(&tree);
  parser.SetRecursionLimit(16);
  if (!parser.ParseFromString(std::string(text), &file)) return mistakes.ToStatus();
  std::vector<Platform> platforms;
  std::set<std::string> names;
  const auto* const field = spec::v1::Platforms::descriptor()->FindFieldByName("platform");
  for (int i = 0; i < file.platform_size(); ++i) {
    PlatformReader reader(file.platform(i), tree.GetTreeForNested(field, i), mistakes);
    platforms.push_back(reader.Read());
    if (!names.insert(platforms.back().name).second)
      reader.Wrong("name", absl::StrCat("'", platforms.back().name, "' stands here again"));
  }
  if (platforms.empty()) mistakes.AddError(0, 0, "there is no platform in it");
  if (!mistakes.empty()) return mistakes.ToStatus();
  return platforms;
}

std::vector<Platform> ShippedPlatforms() {
  // It is a part of the program, and tested.
  return ParsePlatforms(ShippedPlatformsText(), "platforms.textproto").value();
}

absl::StatusOr<Platform> FindPlatform(const std::vector<Platform>& platforms, absl::string_view name) {
  for (const Platform& platform : platforms) {
    if (platform.name == name) return platform;
  }
  const std::string nearest = NearestWord(name, NameList(platforms));
  return absl::NotFoundError(
      absl::StrCat("no such platform: '", name, "'",
                   nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"),
                   nearest.empty() ? "; there are: " : " There are: ", NamesOfAll(platforms)));
}

absl::StatusOr<Platform> PlatformOfBranch(const std::vector<Platform>& platforms, absl::string_view branch) {
  const Platform* longest = nullptr;
  for (const Platform& platform : platforms) {
    const std::string start = absl::StrCat(platform.name, "_");
    if (!absl::StartsWith(branch, start) || branch.size() == start.size()) continue;
    if (longest == nullptr || platform.name.size() > longest->name.size()) longest = &platform;
  }
  if (longest != nullptr) return *longest;
  const std::string nearest = NearestBranch(platforms, branch);
  return absl::NotFoundError(
      absl::StrCat("branch '", branch, "' names no platform",
                   nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"),
                   nearest.empty() ? "; branches" : " Branches",
                   " are named PLATFORM_NAME, and the platforms are ", NamesOfAll(platforms)));
}

}  // namespace rootwright
