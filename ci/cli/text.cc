#include "ci/cli/text.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace rootwright::cli {
namespace {

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

int WidthOf(absl::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !IsContinuation(c); }));
}

// The longest front of `text` that is at most `columns` wide.
absl::string_view Front(absl::string_view text, int columns) {
  size_t end = 0;
  while (end < text.size()) {
    if (!IsContinuation(text[end]) && columns-- == 0) break;
    ++end;
  }
  return text.substr(0, end);
}

const char* EscapeOf(Tone tone) {
  switch (tone) {
    case Tone::kGood:
      return "\x1b[32m";
    case Tone::kBad:
      return "\x1b[31m";
    case Tone::kNote:
      return "\x1b[33m";
    case Tone::kFaint:
      return "\x1b[2m";
    case Tone::kStrong:
      return "\x1b[1m";
    case Tone::kPlain:
      break;
  }
  return "";
}

// Length of the well-formed UTF-8 sequence of more than one byte at the front, or 0.
// The table of the Unicode standard, 3.9.
size_t SequenceLength(absl::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(0);
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  return length;
}

}  // namespace

Line& Line::Add(absl::string_view text, Tone tone) {
  if (!text.empty()) spans_.push_back({tone, std::string(text)});
  return *this;
}

Line& Line::To(int column) {
  return Add(std::string(static_cast<size_t>(std::max(1, column - width())), ' '));
}

int Line::width() const {
  int total = 0;
  for (const Span& span : spans_) total += WidthOf(span.text);
  return total;
}

std::string Render(const Line& line, Colour colour, int columns) {
  const bool cut = columns > 0 && line.width() > columns;
  int left = cut ? columns - 1 : 0;
  std::string out;
  for (const Span& span : line.spans()) {
    const absl::string_view text = cut ? Front(span.text, left) : absl::string_view(span.text);
    if (cut) left -= WidthOf(text);
    if (text.empty()) continue;
    const bool toned = colour == Colour::kOn && span.tone != Tone::kPlain;
    absl::StrAppend(&out, toned ? EscapeOf(span.tone) : "", text, toned ? "\x1b[0m" : "");
  }
  if (cut) absl::StrAppend(&out, "…");
  return out;
}

std::string Render(const std::vector<Line>& lines, Colour colour, int columns) {
  std::string out;
  for (const Line& line : lines) absl::StrAppend(&out, Render(line, colour, columns), "\n");
  return out;
}

std::string Printable(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const unsigned char c = static_cast<unsigned char>(text[0]);
    size_t length = 1;
    if (c < 0x80) {
      out.push_back(c == '\t' ? ' ' : c < 0x20 || c == 0x7F ? '?' : text[0]);
    } else if ((length = SequenceLength(text)) == 0) {
      absl::StrAppend(&out, "\xEF\xBF\xBD");
      length = 1;
    } else if (c == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) {
      out.push_back('?');  // a control character of the second block, 0x80 to 0x9F
    } else {
      absl::StrAppend(&out, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return out;
}

std::vector<Line> Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<int> starts;
  for (const auto& row : rows) {
    starts.resize(std::max(starts.size(), row.size()), 0);
    for (size_t i = 0; i < row.size(); ++i) starts[i] = std::max(starts[i], WidthOf(row[i]));
  }
  int at = 0;
  for (int& start : starts) {
    const int width = start;
    start = at;
    at += width + 2;
  }
  std::vector<Line> lines;
  for (size_t r = 0; r < rows.size(); ++r) {
    Line line;
    for (size_t i = 0; i < rows[r].size(); ++i) {
      if (i > 0) line.To(starts[i]);
      line.Add(rows[r][i], r == 0 ? Tone::kFaint : Tone::kPlain);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace rootwright::cli
