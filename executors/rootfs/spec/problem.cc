#include "executors/rootfs/spec/problem.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rootwright {
namespace {

constexpr size_t kShownCharacters = 160;

// Insertions, deletions, replacements and swaps of neighbours, each at a cost of one.
int EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<int>> rows(a.size() + 1, std::vector<int>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        rows[i][j] = static_cast<int>(i + j);
        continue;
      }
      const int replaced = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      rows[i][j] = std::min({rows[i - 1][j] + 1, rows[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        rows[i][j] = std::min(rows[i][j], rows[i - 2][j - 2] + 1);
      }
    }
  }
  return rows[a.size()][b.size()];
}

bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// What a terminal may show of it: no control characters, not endless.
std::string Shown(absl::string_view line) {
  std::string shown;
  size_t characters = 0;
  for (const char c : line) {
    if (!ContinuesCharacter(c) && ++characters > kShownCharacters) return absl::StrCat(shown, "…");
    shown.push_back(absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? ' ' : c);
  }
  return shown;
}

}  // namespace

int CharactersIn(absl::string_view line, size_t bytes) {
  const absl::string_view part = line.substr(0, bytes);
  return static_cast<int>(
      std::count_if(part.begin(), part.end(), [](char c) { return !ContinuesCharacter(c); }));
}

const char* NameOf(Severity severity) { return severity == Severity::kError ? "error" : "warning"; }

std::string ProblemInOneLine(const SpecProblem& problem) {
  if (problem.line == 0) return absl::StrCat(problem.file, ": ", problem.message);
  return absl::StrCat(problem.file, ":", problem.line, ":", problem.column, ": ", problem.message);
}

std::string FormatProblem(const SpecProblem& problem) {
  std::string text = problem.file;
  if (problem.line > 0) absl::StrAppend(&text, ":", problem.line, ":", problem.column);
  absl::StrAppend(&text, ": ", NameOf(problem.severity), ": ", problem.message, "\n");
  if (problem.line == 0) {
    if (!problem.hint.empty()) absl::StrAppend(&text, "      | ", problem.hint, "\n");
    return text;
  }
  if (problem.other_line > 0) {
    absl::StrAppendFormat(&text, "%5d | %s\n", problem.other_line, Shown(problem.other_line_text));
  }
  absl::StrAppendFormat(&text, "%5d | %s\n", problem.line, Shown(problem.line_text));
  if (problem.column > 0 && static_cast<size_t>(problem.column) <= kShownCharacters) {
    const std::string indent(static_cast<size_t>(problem.column - 1), ' ');
    absl::StrAppend(&text, "      | ", indent, problem.hint.empty() ? "^" : absl::StrCat("^ ", problem.hint),
                    "\n");
  } else if (!problem.hint.empty()) {
    absl::StrAppend(&text, "      | ", problem.hint, "\n");
  }
  return text;
}

std::string FormatProblems(const std::vector<SpecProblem>& problems) {
  std::string text;
  for (const SpecProblem& problem : problems) absl::StrAppend(&text, FormatProblem(problem));
  return text;
}

std::string NearestWord(absl::string_view word, const std::vector<std::string>& known) {
  if (word.size() > 64) return "";
  std::string nearest;
  int least = std::max<int>(1, static_cast<int>(word.size()) / 3) + 1;
  for (const std::string& candidate : known) {
    const int distance = EditDistance(word, candidate);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace rootwright
