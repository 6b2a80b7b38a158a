#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "ci/cli/text.h"

namespace rootwright::cli {

// Where a command's text goes: a terminal, a pipe or a file. Nothing is buffered: each call
// is one write(2), so that what happened is seen when it happened. Borrows the descriptor.
// A reader that went away ends the program by SIGPIPE, as for any filter. One thread.
class Screen {
 public:
  Screen(int fd, Colour colour) : fd_(fd), colour_(colour) {}

  void Write(absl::string_view text);
  void Write(const std::vector<Line>& lines);

  // Puts these lines where the last Repaint put its own. Only for terminals.
  void Repaint(const std::vector<Line>& lines);
  // Leaves what is painted; further text goes below.
  void Settle() { painted_.clear(); }

  bool is_terminal() const;
  // Of the terminal as it is now; 80 and 24 when that is not known.
  int columns() const;
  int rows() const;
  Colour colour() const { return colour_; }

 private:
  const int fd_;
  const Colour colour_;
  // Widths of the lines that Repaint put there.
  std::vector<int> painted_;
};

}  // namespace rootwright::cli
