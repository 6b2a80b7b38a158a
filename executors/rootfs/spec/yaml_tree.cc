#include "executors/rootfs/spec/yaml_tree.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <sstream>
#include <utility>

// Also declares what YAML::Parser reports to.
#include <yaml-cpp/eventhandler.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rootwright {
namespace {

constexpr size_t kDeepest = 16;
constexpr size_t kMostProblems = 50;

absl::string_view Indentation(absl::string_view line) {
  return line.substr(0, line.find_first_not_of(" \t"));
}

// Builds the tree from the parser's events; once something is refused the rest is skipped.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(absl::string_view text, const SourceLines& lines, std::vector<SpecProblem>& problems)
      : text_(text), lines_(lines), problems_(problems) {}

  YamlNode Take() { return std::move(root_); }
  int documents() const { return documents_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ != 2) return;
    const bool marked = absl::StartsWith(lines_.Line(mark.line + 1), "---");
    Refuse(mark, marked ? "a second document starts here; a specification is one document"
                        : "this does not belong to what stands above it");
  }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    Refuse(mark, absl::StrCat("anchors are not supported: '&", name, "'"),
           "write the value out where it is needed");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "aliases are not supported", "write the value out here");
  }
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Add(NodeAt(mark, YamlNode::Kind::kNull)); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    RefuseTag(mark, tag);
    RefuseOpenQuote(mark);
    YamlNode node = NodeAt(mark, YamlNode::Kind::kScalar);
    node.scalar = value;
    Add(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value style) override {
    RefuseTag(mark, tag);
    Open(mark, YamlNode::Kind::kList, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value style) override {
    RefuseTag(mark, tag);
    Open(mark, YamlNode::Kind::kMap, style);
  }
  void OnMapEnd() override { Close(); }

 private:
  // A map or list that is still open; for a map, the key that waits for its value.
  struct Level {
    YamlNode node;
    YamlNode key;
    bool has_key = false;
  };

  YamlNode NodeAt(const YAML::Mark& mark, YamlNode::Kind kind) const {
    YamlNode node;
    node.kind = kind;
    node.line = mark.line + 1;
    node.column = CharactersIn(lines_.Line(node.line), static_cast<size_t>(mark.column)) + 1;
    return node;
  }

  void Refuse(const YAML::Mark& mark, std::string message, std::string hint = "") {
    refused_ = true;
    if (problems_.size() >= kMostProblems) return;
    problems_.push_back(lines_.At(NodeAt(mark, YamlNode::Kind::kNull), std::move(message), std::move(hint)));
  }

  void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      Refuse(mark, absl::StrCat("tags are not supported: '", tag, "'"));
  }

  // The parser takes the end of the file for the end of a quote.
  void RefuseOpenQuote(const YAML::Mark& mark) {
    const auto start = static_cast<size_t>(mark.pos);
    if (start >= text_.size() || (text_[start] != '\'' && text_[start] != '"')) return;
    for (size_t at = start + 1; at < text_.size(); ++at) {
      if (text_[at] == text_[start]) return;
      if (text_[at] == '\\' && text_[start] == '"') ++at;
    }
    Refuse(mark, "the quote that opens here is never closed");
  }

  void Open(const YAML::Mark& mark, YamlNode::Kind kind, YAML::EmitterStyle::value style) {
    if (++depth_ > kDeepest) {
      if (depth_ == kDeepest + 1)
        Refuse(mark, absl::StrCat("nested too deeply: more than ", kDeepest, " levels"));
      return;
    }
    Level level;
    level.node = NodeAt(mark, kind);
    level.node.flow = style == YAML::EmitterStyle::Flow;
    levels_.push_back(std::move(level));
  }

  void Close() {
    if (depth_-- > kDeepest) return;
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    Add(std::move(node));
  }

  void Add(YamlNode node) {
    if (refused_ || depth_ > kDeepest) return;
    if (levels_.empty()) {
      if (documents_ == 1) root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.Is(YamlNode::Kind::kList)) {
      level.node.items.push_back(std::move(node));
    } else if (!level.has_key) {
      level.key = std::move(node);
      level.has_key = true;
    } else {
      level.node.entries.push_back({std::move(level.key), std::move(node)});
      level.has_key = false;
    }
  }

  const absl::string_view text_;
  const SourceLines& lines_;
  std::vector<SpecProblem>& problems_;
  YamlNode root_;
  std::vector<Level> levels_;
  size_t depth_ = 0;
  int documents_ = 0;
  bool refused_ = false;
};

// The parser's own words are about its grammar; these are about what was written.
std::string InPlainWords(const std::string& message) {
  if (message == "illegal map value") return "a second ':' on this line, or a key that is not finished";
  if (message == "end of map not found") return "this line is not indented like the others of its block";
  if (message == "end of sequence not found") return "this line is not indented like the others of its list";
  if (message == "end of map flow not found") return "a '{' is not closed with '}'";
  if (message == "end of sequence flow not found") return "a '[' is not closed with ']'";
  if (message == "illegal flow end") return "a ']' or '}' that nothing opened";
  if (message == "illegal block entry") return "a list cannot start here";
  if (message == "unknown token") return "this character cannot start a value; put the value in quotes";
  if (message == "the referenced anchor is not defined")
    return "a value cannot start with '*'; put it in quotes";
  if (message == "unexpected character in block scalar")
    return "'>' and '|' begin a text of several lines; put this in quotes";
  if (message == "bad file") return "nested too deeply";
  return absl::StrCat("not valid YAML: ", message);
}

// The mistake that the parser found, as the person probably made it.
SpecProblem Explain(const YAML::Exception& error, const SourceLines& lines) {
  const int line = std::clamp(error.mark.line + 1, 1, std::max(1, lines.count()));
  const absl::string_view text = lines.Line(line);
  const absl::string_view indentation = Indentation(text);
  const size_t tab = indentation.find('\t');
  if (tab != absl::string_view::npos) {
    return lines.At(line, static_cast<int>(tab) + 1, "a tab indents this line", "YAML takes spaces only");
  }
  const int above = line - 1;
  const absl::string_view previous = absl::StripTrailingAsciiWhitespace(lines.Line(above));
  if (error.msg == "end of map not found" && absl::EndsWith(previous, "{}") &&
      indentation.size() > Indentation(previous).size()) {
    SpecProblem problem =
        lines.At(line, static_cast<int>(indentation.size()) + 1, "a package cannot hold options after '{}'",
                 absl::StrCat("remove the '{}' on line ", above, ", or this block"));
    problem.other_line = above;
    problem.other_line_text = std::string(lines.Line(above));
    return problem;
  }
  return lines.At(line, CharactersIn(text, static_cast<size_t>(std::max(0, error.mark.column))) + 1,
                  InPlainWords(error.msg));
}

}  // namespace

const char* YamlNode::KindName() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a text";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "";
}

SourceLines::SourceLines(std::string file, absl::string_view text) : file_(std::move(file)) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    lines_.emplace_back(absl::StripSuffix(line, "\r"));
  }
  if (!lines_.empty() && lines_.back().empty()) lines_.pop_back();
}

SpecProblem SourceLines::At(int line, int column, std::string message, std::string hint) const {
  SpecProblem problem;
  problem.file = file_;
  problem.line = line;
  problem.column = column;
  problem.message = std::move(message);
  problem.hint = std::move(hint);
  problem.line_text = std::string(Line(line));
  return problem;
}

absl::string_view SourceLines::Line(int line) const {
  if (line < 1 || line > count()) return "";
  return lines_[static_cast<size_t>(line - 1)];
}

YamlNode ParseYaml(absl::string_view text, const SourceLines& lines, std::vector<SpecProblem>& problems) {
  TreeBuilder builder(text, lines, problems);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    while (builder.documents() < 2 && parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    problems.push_back(Explain(error, lines));
  }
  return builder.Take();
}

}  // namespace rootwright
