#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rootwright {

// An error keeps a specification from being built; a warning names what is probably not meant.
enum class Severity { kError, kWarning };

// One mistake in a specification, with all that a person needs to find and mend it.
struct SpecProblem {
  Severity severity = Severity::kError;
  // As the user knows it: "configuration.yml", "post_install_overlay/etc/motd".
  std::string file;
  // From 1; 0 when the problem is the file itself and not a place in it. Columns count
  // characters, not bytes.
  int line = 0;
  int column = 0;
  // "unknown key 'x'; did you mean 'y'?"
  std::string message;
  // What to do, shown beside the caret; may be empty.
  std::string hint;
  // The text of the line; and of an earlier one that belongs to the mistake, 0 for none.
  std::string line_text;
  int other_line = 0;
  std::string other_line_text;
};

// As compilers show it, each line ended:
//
//   configuration.yml:28:9: error: a package cannot hold options after '{}'
//      27 |     sys-fs/btrfs-progs: {}
//      28 |         kw:
//         |         ^ remove the '{}' on line 27, or this block
std::string FormatProblem(const SpecProblem& problem);
std::string FormatProblems(const std::vector<SpecProblem>& problems);

// The first line of it, without "error:", for a step's failure or a warning's event.
std::string ProblemInOneLine(const SpecProblem& problem);

// "error", "warning".
const char* NameOf(Severity severity);

// The one of `known` that `word` was probably meant to be; empty when none is near.
std::string NearestWord(absl::string_view word, const std::vector<std::string>& known);

// Columns as people count them: the number of characters in the first `bytes` of `line`.
int CharactersIn(absl::string_view line, size_t bytes);

}  // namespace rootwright
