#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "executors/rootfs/spec/problem.h"
#include "executors/rootfs/spec/specification.h"
#include "executors/rootfs/spec/yaml_tree.h"

namespace rootwright {

// Reads what every specification has in common out of its tree, and collects what is wrong in
// it, going on behind each problem. AptReader and PortageReader add what is theirs.
class TreeReader {
 public:
  using Entry = std::pair<const YamlNode*, const YamlNode*>;

  // Borrows both.
  TreeReader(const SourceLines& lines, ParsedSpecification& parsed) : lines_(lines), parsed_(parsed) {}

 protected:
  // What a key that stands twice is: a mistake, or something that the one further down settles.
  enum class Again { kError, kWarning };

  void Error(int line, int column, std::string message, std::string hint = "");
  void Error(const YamlNode& node, std::string message, std::string hint = "") {
    Error(node.line, node.column, std::move(message), std::move(hint));
  }
  void Warn(int line, int column, std::string message, std::string hint = "");
  void Warn(const YamlNode& node, std::string message, std::string hint = "") {
    Warn(node.line, node.column, std::move(message), std::move(hint));
  }

  // "… must be a map, not a text".
  bool Expect(const YamlNode& node, YamlNode::Kind kind, absl::string_view what, std::string hint = "");

  // The entries whose keys are among `known`, each once; the others become errors, with
  // `hint` where no known key is near.
  std::vector<Entry> KnownEntries(const YamlNode& map, const std::vector<std::string>& known,
                                  const std::string& hint = "");
  // The entries with a text for a key; of equal ones the last.
  std::vector<Entry> UniqueEntries(const YamlNode& map, Again again = Again::kError);

  // The keys that both kinds of specification have; false when `key` is none of them.
  bool ReadCommonKey(const std::string& key, const YamlNode& value);

  const SourceLines& lines() const { return lines_; }
  Specification& specification() { return parsed_.specification; }

 private:
  std::vector<SpecCommand> ReadCommands(const YamlNode& node, const std::string& name);
  std::vector<OverlayAttribute> ReadAttributes(const YamlNode& node);
  bool ReadAttribute(const YamlNode& node, OverlayAttribute& attribute);
  void Keep(SpecProblem problem);

  const SourceLines& lines_;
  ParsedSpecification& parsed_;
};

// The keys of ReadCommonKey, "packages", and `more`.
std::vector<std::string> TopKeys(std::vector<std::string> more);

// With `package_manager: {apt: …}`.
void ReadAptSpecification(const YamlNode& top, const SourceLines& lines, ParsedSpecification& parsed);

// Any other. `keyword` as in ParseOptions.
void ReadPortageSpecification(const YamlNode& top, const std::string& keyword, const SourceLines& lines,
                              ParsedSpecification& parsed);

// More packages than this are refused.
inline constexpr size_t kMostPackages = 4096;

}  // namespace rootwright
