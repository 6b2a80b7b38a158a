#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// The command line as data: commands.cc holds one table from which parsing, --help, shell
// completion and the manual page are all made, so that they cannot disagree.
namespace rootwright::cli {

// What a word on the command line means, for completion.
enum class Kind { kText, kFolder, kFile, kImage, kBuild, kAgent, kStep, kArtifact };

struct OptionSpec {
  // Without the dashes: "arch".
  const char* name;
  // One letter, or 0.
  char letter;
  // What stands for the value in help: "ARCH"; null for a switch.
  const char* value;
  // One line.
  const char* help;
  // The values allowed, separated by spaces; null when any is.
  const char* choices = nullptr;
  // How often it may stand.
  enum class Times { kOnce, kMany } times = Times::kOnce;
};

struct OperandSpec {
  enum class Need { kRequired, kOptional };
  // In help: "ID".
  const char* name;
  Need need;
  Kind kind;
  const char* help;
};

struct CommandSpec {
  // "build submit".
  const char* words;
  // One line, in the imperative.
  const char* summary;
  // Paragraphs after it; may be empty.
  const char* details;
  std::vector<OperandSpec> operands;
  std::vector<OptionSpec> options;
  // "-- PROGRAM [ARGUMENT…]" may follow: its help line; null when it may not.
  const char* rest;
  // Lines of "command   # what for".
  const char* examples;
};

// A command line that fits the table.
struct Arguments {
  const CommandSpec* command = nullptr;
  // Option name → values in the order given; switches hold "". Defaults are not filled in.
  std::map<std::string, std::vector<std::string>> options;
  std::vector<std::string> operands;
  // What stood after "--".
  std::vector<std::string> rest;

  bool Has(absl::string_view option) const;
  // The last value given, or `fallback`.
  std::string Get(absl::string_view option, absl::string_view fallback = "") const;
  std::vector<std::string> All(absl::string_view option) const;
  std::string Operand(size_t index) const;
};

// Parses the words after the program's name. "--help" anywhere gives options["help"] with
// the command so far, `command` null when there is none. InvalidArgument says which word
// is wrong, and what may have been meant.
absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& words,
                                         const std::vector<CommandSpec>& commands,
                                         const std::vector<OptionSpec>& globals);

// The name closest to `word` when it is close enough to have been meant; else empty.
std::string Closest(absl::string_view word, const std::vector<std::string>& names);

}  // namespace rootwright::cli
