#include "ci/cli/arguments.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace rootwright::cli {
namespace {

size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string DidYouMean(absl::string_view word, const std::vector<std::string>& names,
                       absl::string_view dashes) {
  const std::string closest = Closest(word, names);
  return closest.empty() ? "" : absl::StrCat("; did you mean '", dashes, closest, "'?");
}

class Parser {
 public:
  Parser(const std::vector<std::string>& words, const std::vector<CommandSpec>& commands,
         const std::vector<OptionSpec>& globals)
      : words_(words), commands_(commands), globals_(globals) {}

  absl::StatusOr<Arguments> Run() {
    // The command first, so that its options are known wherever they stand.
    FindCommand();
    for (at_ = 0; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (word == "--") {
        result_.rest.assign(words_.begin() + static_cast<long>(at_) + 1, words_.end());
        break;
      }
      if (absl::StartsWith(word, "-") && word.size() > 1) {
        RW_RETURN_IF_ERROR(TakeOption(word));
      } else if (command_words_ > 0) {
        --command_words_;  // FindCommand has it
      } else {
        result_.operands.push_back(word);
      }
    }
    if (result_.Has("help") || result_.Has("version")) return result_;
    RW_RETURN_IF_ERROR(CheckWhole());
    return result_;
  }

 private:
  // Matches the leading plain words, options between them skipped, with the table.
  void FindCommand() {
    std::vector<std::string> plain;
    for (size_t i = 0; i < words_.size() && words_[i] != "--"; ++i) {
      if (absl::StartsWith(words_[i], "-")) {
        const OptionSpec* global = words_[i].size() == 2
                                       ? FindLetter(words_[i][1])
                                       : FindIn(globals_, absl::StripPrefix(words_[i], "--"));
        if (global != nullptr && global->value != nullptr) ++i;
        continue;
      }
      plain.push_back(words_[i]);
      if (plain.size() == 2) break;
    }
    for (size_t count = plain.size(); count > 0; --count) {
      const std::string words = absl::StrJoin(plain.begin(), plain.begin() + static_cast<long>(count), " ");
      for (const CommandSpec& command : commands_) {
        if (command.words == words) {
          result_.command = &command;
          command_words_ = count;
          return;
        }
      }
    }
  }

  static const OptionSpec* FindIn(const std::vector<OptionSpec>& options, absl::string_view name) {
    for (const OptionSpec& option : options) {
      if (name == option.name) return &option;
    }
    return nullptr;
  }

  const OptionSpec* Find(absl::string_view name) const {
    if (result_.command != nullptr) {
      if (const OptionSpec* own = FindIn(result_.command->options, name)) return own;
    }
    return FindIn(globals_, name);
  }

  const OptionSpec* FindLetter(char letter) const {
    for (const auto* options :
         {result_.command == nullptr ? &globals_ : &result_.command->options, &globals_}) {
      for (const OptionSpec& option : *options) {
        if (option.letter == letter) return &option;
      }
    }
    return nullptr;
  }

  std::string Where() const {
    return result_.command == nullptr ? "" : absl::StrCat(result_.command->words, ": ");
  }

  absl::Status Wrong(absl::string_view message) const {
    const std::string help = result_.command == nullptr
                                 ? "rootwright help"
                                 : absl::StrCat("rootwright ", result_.command->words, " --help");
    return absl::InvalidArgumentError(absl::StrCat(Where(), message, " (", help, " shows how)"));
  }

  absl::Status TakeOption(const std::string& word) {
    absl::string_view name = word;
    bool has_value = false;
    std::string value;
    const OptionSpec* option = nullptr;
    if (absl::ConsumePrefix(&name, "--")) {
      const std::vector<std::string> parts = absl::StrSplit(name, absl::MaxSplits('=', 1));
      has_value = parts.size() == 2;
      if (has_value) value = parts[1];
      option = Find(parts[0]);
      if (option == nullptr) {
        return Wrong(
            absl::StrCat("unknown option '--", parts[0], "'", DidYouMean(parts[0], OptionNames(), "--")));
      }
    } else {
      option = FindLetter(word[1]);
      if (option == nullptr) return Wrong(absl::StrCat("unknown option '", word, "'"));
      has_value = word.size() > 2;
      value = word.substr(2);
    }
    if (option->value == nullptr && has_value)
      return Wrong(absl::StrCat("'--", option->name, "' takes no value"));
    if (option->value != nullptr && !has_value) {
      if (at_ + 1 >= words_.size())
        return Wrong(absl::StrCat("'--", option->name, "' needs a value: ", option->value));
      value = words_[++at_];
    }
    return Keep(*option, value);
  }

  absl::Status Keep(const OptionSpec& option, const std::string& value) {
    auto& values = result_.options[option.name];
    if (!values.empty() && option.times == OptionSpec::Times::kOnce && option.value != nullptr) {
      return Wrong(absl::StrCat("'--", option.name, "' stands twice"));
    }
    if (option.choices != nullptr) {
      const std::vector<std::string> choices = absl::StrSplit(option.choices, ' ');
      if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
        return Wrong(absl::StrCat("'--", option.name, "' cannot be '", value, "', only one of: ",
                                  absl::StrJoin(choices, ", "), DidYouMean(value, choices, "")));
      }
    }
    values.push_back(value);
    return absl::OkStatus();
  }

  std::vector<std::string> OptionNames() const {
    std::vector<std::string> names;
    for (const OptionSpec& option : globals_) names.emplace_back(option.name);
    if (result_.command != nullptr) {
      for (const OptionSpec& option : result_.command->options) names.emplace_back(option.name);
    }
    return names;
  }

  absl::Status UnknownCommand() const {
    if (result_.operands.empty())
      return absl::InvalidArgumentError("no command given (rootwright help lists them)");
    std::vector<std::string> group;
    std::vector<std::string> all, groups;
    for (const CommandSpec& command : commands_) {
      all.emplace_back(command.words);
      groups.push_back(all.back().substr(0, all.back().find(' ')));
      if (absl::StartsWith(command.words, result_.operands[0] + " ")) group.emplace_back(command.words);
    }
    const size_t count = std::min<size_t>(2, result_.operands.size());
    const std::string words =
        absl::StrJoin(result_.operands.begin(), result_.operands.begin() + static_cast<long>(count), " ");
    if (count == 1 && !group.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", words, "' needs one more word: ", absl::StrJoin(group, ", ")));
    }
    std::string hint = DidYouMean(words, group.empty() ? all : group, "");
    if (hint.empty()) hint = DidYouMean(result_.operands[0], groups, "");
    if (hint.empty() && !group.empty()) hint = absl::StrCat("; there are: ", absl::StrJoin(group, ", "));
    return absl::InvalidArgumentError(
        absl::StrCat("unknown command '", words, "'", hint, " (rootwright help lists them)"));
  }

  absl::Status CheckWhole() const {
    if (result_.command == nullptr) return UnknownCommand();
    const auto& operands = result_.command->operands;
    if (result_.operands.size() > operands.size()) {
      return Wrong(absl::StrCat("one word too many: '", result_.operands[operands.size()], "'"));
    }
    for (size_t i = result_.operands.size(); i < operands.size(); ++i) {
      if (operands[i].need == OperandSpec::Need::kRequired) {
        return Wrong(absl::StrCat("missing ", operands[i].name, ": ", operands[i].help));
      }
    }
    if (!result_.rest.empty() && result_.command->rest == nullptr) return Wrong("takes nothing after '--'");
    return absl::OkStatus();
  }

  const std::vector<std::string>& words_;
  const std::vector<CommandSpec>& commands_;
  const std::vector<OptionSpec>& globals_;
  Arguments result_;
  size_t at_ = 0;
  size_t command_words_ = 0;
};

}  // namespace

bool Arguments::Has(absl::string_view option) const { return options.count(std::string(option)) > 0; }

std::string Arguments::Get(absl::string_view option, absl::string_view fallback) const {
  const auto found = options.find(std::string(option));
  return found == options.end() ? std::string(fallback) : found->second.back();
}

std::vector<std::string> Arguments::All(absl::string_view option) const {
  const auto found = options.find(std::string(option));
  return found == options.end() ? std::vector<std::string>() : found->second;
}

std::string Arguments::Operand(size_t index) const { return index < operands.size() ? operands[index] : ""; }

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& words,
                                         const std::vector<CommandSpec>& commands,
                                         const std::vector<OptionSpec>& globals) {
  return Parser(words, commands, globals).Run();
}

std::string Closest(absl::string_view word, const std::vector<std::string>& names) {
  std::string best;
  // Two letters that changed places count as two.
  size_t best_distance = (word.size() < 4 ? 1 : std::max<size_t>(2, word.size() / 3)) + 1;
  for (const std::string& name : names) {
    const size_t distance = Distance(word, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace rootwright::cli
