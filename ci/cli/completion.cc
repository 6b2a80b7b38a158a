#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "ci/cli/commands.h"

namespace rootwright::cli {
namespace {

// What asks the program itself; a master that does not answer must not hold up a shell.
constexpr const char* kPreamble = R"(# bash completion for rootwright; made by 'rootwright completion bash'.
_rootwright_ask() { timeout 1 rootwright "$@" 2>/dev/null; }

_rootwright() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  local -a plain=()
  local word skip= options= choices= operand=
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ -n $skip ]]; then skip=; continue; fi
    case $word in
      --) return ;;
      )";

constexpr const char* kAfterValued = R"() skip=1 ;;
      -*) ;;
      *) plain+=("$word") ;;
    esac
  done
  case "$previous" in
)";

constexpr const char* kEnding = R"(  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    return
  fi
  case "$operand" in
    build) choices=$(_rootwright_ask build list --quiet --limit 100) ;;
    agent) choices=$(_rootwright_ask agent list --quiet) ;;
    image) choices=$(_rootwright_ask image list --quiet) ;;
    file) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    folder) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    step) choices=$(_rootwright_ask build show "${plain[2]}" --quiet) ;;
    artifact) choices=$(_rootwright_ask artifact list "${plain[2]}" --quiet) ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current")
}
complete -o filenames -F _rootwright rootwright
)";

const char* NameOf(Kind kind) {
  switch (kind) {
    case Kind::kFolder:
      return "folder";
    case Kind::kFile:
      return "file";
    case Kind::kImage:
      return "image";
    case Kind::kBuild:
      return "build";
    case Kind::kAgent:
      return "agent";
    case Kind::kStep:
      return "step";
    case Kind::kArtifact:
      return "artifact";
    case Kind::kText:
      break;
  }
  return "";
}

std::string OptionWords(const std::vector<OptionSpec>& options) {
  std::vector<std::string> words;
  for (const OptionSpec& option : options) words.push_back(absl::StrCat("--", option.name));
  return absl::StrJoin(words, " ");
}

// Every spelling of an option that takes a value, as a bash pattern.
std::string ValuedPattern() {
  std::vector<std::string> words;
  const auto take = [&words](const std::vector<OptionSpec>& options) {
    for (const OptionSpec& option : options) {
      if (option.value == nullptr) continue;
      words.push_back(absl::StrCat("--", option.name));
      if (option.letter != 0) words.push_back(absl::StrCat("-", std::string(1, option.letter)));
    }
  };
  take(GlobalOptions());
  for (const CommandSpec& command : Commands()) take(command.options);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return absl::StrJoin(words, "|");
}

// Values after an option; the same option means the same in every command.
std::string ValueCases() {
  std::vector<std::string> done;
  std::string out;
  for (const CommandSpec& command : Commands()) {
    for (const OptionSpec& option : command.options) {
      if (option.value == nullptr || absl::StrContains(absl::StrCat(" ", absl::StrJoin(done, " "), " "),
                                                       absl::StrCat(" ", option.name, " ")))
        continue;
      done.emplace_back(option.name);
      const std::string value = option.value;
      if (option.choices != nullptr) {
        absl::StrAppend(&out, "    --", option.name, ") mapfile -t COMPREPLY < <(compgen -W \"",
                        option.choices, "\" -- \"$current\"); return ;;\n");
      } else if (value == "FOLDER" || value == "FILE") {
        absl::StrAppend(&out, "    --", option.name, ") mapfile -t COMPREPLY < <(compgen ",
                        value == "FILE" ? "-f" : "-d", " -- \"$current\"); return ;;\n");
      } else {
        absl::StrAppend(&out, "    --", option.name, ") return ;;\n");
      }
    }
  }
  return out;
}

std::string CommandCases() {
  std::string out;
  std::vector<std::string> first;
  for (const CommandSpec& command : Commands()) {
    const std::vector<std::string> words = absl::StrSplit(command.words, ' ');
    if (first.empty() || first.back() != words[0]) first.push_back(words[0]);
    std::string operands;
    for (size_t i = 0; i < command.operands.size(); ++i) {
      const char* name = NameOf(command.operands[i].kind);
      if (*name != 0)
        absl::StrAppend(&operands, " [[ ${#plain[@]} == ", words.size() + i, " ]] && operand=", name, ";");
    }
    absl::StrAppend(&out, "    \"", command.words, "\"*) options+=\" ", OptionWords(command.options), "\";",
                    operands, " ;;\n");
  }
  for (const std::string& group : first) {
    std::vector<std::string> seconds;
    for (const CommandSpec& command : Commands()) {
      const std::vector<std::string> words = absl::StrSplit(command.words, ' ');
      if (words[0] == group && words.size() > 1) seconds.push_back(words[1]);
    }
    if (!seconds.empty())
      absl::StrAppend(&out, "    ", group, ") choices=\"", absl::StrJoin(seconds, " "), "\" ;;\n");
  }
  return absl::StrCat(out, "    \"\") choices=\"", absl::StrJoin(first, " "), "\" ;;\n");
}

}  // namespace

std::string BashCompletion() {
  return absl::StrCat(kPreamble, ValuedPattern(), kAfterValued, ValueCases(), "  esac\n  options=\"",
                      OptionWords(GlobalOptions()), "\"\n  case \"${plain[*]:0:2}\" in\n", CommandCases(),
                      kEnding);
}

}  // namespace rootwright::cli
