#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// Lines before they are put on a terminal: text with a meaning, so that what is shown can
// be decided and tested without escape sequences.
namespace rootwright::cli {

enum class Tone { kPlain, kGood, kBad, kNote, kFaint, kStrong };

struct Span {
  Tone tone = Tone::kPlain;
  std::string text;
};

class Line {
 public:
  Line() = default;
  // Not explicit: a string is a line in one plain tone.
  Line(absl::string_view text) { Add(text); }   // NOLINT(google-explicit-constructor)
  Line(const std::string& text) { Add(text); }  // NOLINT(google-explicit-constructor)
  Line(const char* text) { Add(text); }         // NOLINT(google-explicit-constructor)

  Line& Add(absl::string_view text, Tone tone = Tone::kPlain);
  // Fills with spaces up to a column, at least one space; columns count from 0.
  Line& To(int column);
  // Columns taken; every code point counts as one.
  int width() const;
  const std::vector<Span>& spans() const { return spans_; }

 private:
  std::vector<Span> spans_;
};

enum class Colour { kOff, kOn };

// The line as bytes without a line end, cut to `columns` (0: not cut).
std::string Render(const Line& line, Colour colour, int columns = 0);
// All of them, each with a line end.
std::string Render(const std::vector<Line>& lines, Colour colour, int columns = 0);

// What others sent, made safe to show: control characters (a terminal's escape sequences
// begin with one) become '?', tabs a space, bytes that are not UTF-8 the sign U+FFFD.
std::string Printable(absl::string_view text);

// Columns of a table, each as wide as its widest cell; the last is not padded.
std::vector<Line> Table(const std::vector<std::vector<std::string>>& rows);

}  // namespace rootwright::cli
