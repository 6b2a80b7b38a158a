#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "executors/rootfs/spec/problem.h"

namespace rootwright {

// A YAML document as plain data that remembers where everything stood. It is made from the
// parser's events and not from its node tree, because that one expands aliases, drops
// duplicate keys from sight and grows as deep as its input.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  // From 1, of the first character.
  int line = 0;
  int column = 0;
  // Written as `{…}`, `[…]` and not as a block.
  bool flow = false;
  std::string scalar;
  std::vector<YamlNode> items;
  // In the order of the file; keys may be of any kind, and may repeat.
  std::vector<Entry> entries;

  bool Is(Kind asked) const { return kind == asked; }
  // "a map", "a list", "a text", "nothing": for messages.
  const char* KindName() const;
};

struct YamlNode::Entry {
  YamlNode key;
  YamlNode value;
};

// The lines of a file, for showing them again.
class SourceLines {
 public:
  SourceLines(std::string file, absl::string_view text);

  // A problem at a place of this file; `column` counts characters.
  SpecProblem At(int line, int column, std::string message, std::string hint = "") const;
  SpecProblem At(const YamlNode& node, std::string message, std::string hint = "") const {
    return At(node.line, node.column, std::move(message), std::move(hint));
  }
  // Without its end; empty beyond the file.
  absl::string_view Line(int line) const;
  int count() const { return static_cast<int>(lines_.size()); }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::vector<std::string> lines_;
};

// Parses one document. What stands in it against our limits (anchors, aliases, tags, more
// than 16 levels, a second document) or against YAML is added to `problems`; the node is
// only of use when nothing was added.
YamlNode ParseYaml(absl::string_view text, const SourceLines& lines, std::vector<SpecProblem>& problems);

}  // namespace rootwright
