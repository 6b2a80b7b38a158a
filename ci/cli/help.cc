#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ci/cli/commands.h"

namespace rootwright::cli {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done, 1 the build failed, 2 bad input, 3 infrastructure error, 4 cancelled,\n"
    "5 timed out, 6 master or agent not reachable, 130 interrupted.\n";

std::string Padded(absl::string_view text, size_t width) {
  return absl::StrCat(text, std::string(text.size() < width ? width - text.size() : 1, ' '));
}

std::string OptionUse(const OptionSpec& option) {
  const std::string letter =
      option.letter != 0 ? absl::StrCat("-", std::string(1, option.letter), ", ") : "    ";
  return absl::StrCat(letter, "--", option.name, option.value != nullptr ? " " : "",
                      option.value != nullptr ? option.value : "");
}

void AppendOptions(const std::vector<OptionSpec>& options, std::string& out) {
  size_t width = 0;
  for (const OptionSpec& option : options) width = std::max(width, OptionUse(option).size() + 2);
  for (const OptionSpec& option : options) {
    absl::StrAppend(&out, "  ", Padded(OptionUse(option), width), option.help);
    if (option.choices != nullptr) absl::StrAppend(&out, ": ", option.choices);
    absl::StrAppend(&out, "\n");
  }
}

std::string Usage(const CommandSpec& command) {
  std::string usage = absl::StrCat("rootwright ", command.words);
  for (const OperandSpec& operand : command.operands) {
    const bool optional = operand.need == OperandSpec::Need::kOptional;
    absl::StrAppend(&usage, optional ? " [" : " ", operand.name, optional ? "]" : "");
  }
  if (!command.options.empty()) absl::StrAppend(&usage, " [OPTION…]");
  if (command.rest != nullptr) absl::StrAppend(&usage, " [-- PROGRAM [ARGUMENT…]]");
  return usage;
}

std::string Roff(absl::string_view text) {
  std::string out;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, ".") || absl::StartsWith(line, "'")) absl::StrAppend(&out, "\\&");
    for (const char c : line) {
      if (c == '\\') {
        absl::StrAppend(&out, "\\e");
      } else if (c == '-') {
        absl::StrAppend(&out, "\\-");
      } else {
        out.push_back(c);
      }
    }
    absl::StrAppend(&out, "\n");
  }
  return out;
}

void AppendRoffOptions(const std::vector<OptionSpec>& options, std::string& out) {
  for (const OptionSpec& option : options) {
    out.append(".TP\n.B ");
    std::string use = OptionUse(option);
    use.erase(0, use.find_first_not_of(' '));
    absl::StrAppend(&out, Roff(use), Roff(option.help));
    if (option.choices != nullptr) absl::StrAppend(&out, "One of: ", Roff(option.choices));
  }
}

}  // namespace

std::string OverviewText() {
  std::string out =
      "rootwright: root filesystems for embedded Linux, built on a farm\n\n"
      "Usage: rootwright COMMAND [OPTION…]\n\n";
  for (const CommandSpec& command : Commands()) {
    absl::StrAppend(&out, "  ", Padded(command.words, 18), command.summary, "\n");
  }
  absl::StrAppend(&out, "\nEvery command takes:\n");
  AppendOptions(GlobalOptions(), out);
  absl::StrAppend(&out, "\n", kExitCodes, "'rootwright COMMAND --help' tells more and gives examples.\n");
  return out;
}

std::string HelpText(const CommandSpec& command) {
  std::string out = absl::StrCat(command.summary, "\n\nUsage: ", Usage(command), "\n");
  if (*command.details != 0) absl::StrAppend(&out, "\n", command.details, "\n");
  if (!command.operands.empty() || command.rest != nullptr) absl::StrAppend(&out, "\n");
  for (const OperandSpec& operand : command.operands) {
    absl::StrAppend(&out, "  ", Padded(operand.name, 10), operand.help, "\n");
  }
  if (command.rest != nullptr) absl::StrAppend(&out, "  ", Padded("PROGRAM", 10), command.rest, "\n");
  if (!command.options.empty()) absl::StrAppend(&out, "\nOptions:\n");
  AppendOptions(command.options, out);
  absl::StrAppend(&out, "\nEvery command takes:\n");
  AppendOptions(GlobalOptions(), out);
  absl::StrAppend(&out, "\nExamples:\n");
  for (absl::string_view line : absl::StrSplit(command.examples, '\n'))
    absl::StrAppend(&out, "  ", line, "\n");
  return out;
}

std::string ManualPage() {
  std::string out =
      ".\\\" Made by 'rootwright help --man'; do not edit.\n"
      ".TH ROOTWRIGHT 1 \"\" \"rootwright\" \"User commands\"\n"
      ".SH NAME\nrootwright \\- root filesystems for embedded Linux, built on a farm\n"
      ".SH SYNOPSIS\n.B rootwright\n.I COMMAND\n[OPTION...]\n"
      ".SH DESCRIPTION\nTalks to a Rootwright master: submits builds, follows them live, fetches their "
      "results,\n"
      "and shows the agents of the farm.\n.SH OPTIONS OF EVERY COMMAND\n";
  AppendRoffOptions(GlobalOptions(), out);
  out.append(".SH COMMANDS\n");
  for (const CommandSpec& command : Commands()) {
    absl::StrAppend(&out, ".SS ", Roff(Usage(command)), Roff(command.summary), ".PP\n");
    if (*command.details != 0) absl::StrAppend(&out, Roff(command.details));
    for (const OperandSpec& operand : command.operands) {
      absl::StrAppend(&out, ".TP\n.I ", Roff(operand.name), Roff(operand.help));
    }
    AppendRoffOptions(command.options, out);
    absl::StrAppend(&out, ".PP\nExamples:\n.PP\n.nf\n", Roff(command.examples), ".fi\n");
  }
  absl::StrAppend(&out, ".SH EXIT STATUS\n", Roff(kExitCodes), ".SH ENVIRONMENT\n",
                  ".TP\n.B ROOTWRIGHT_MASTER\nAddress of the master when \\-\\-master is not given.\n",
                  ".TP\n.B NO_COLOR\nNo colours when set and not empty.\n");
  return out;
}

}  // namespace rootwright::cli
