#include "executors/rootfs/spec/utf8.h"

#include "absl/strings/str_format.h"

namespace rootwright {
namespace {

// Bytes of the character at the front of `text`; 0 when it is none (RFC 3629).
size_t CharacterLength(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) > 0x9F;
  const bool too_high = first == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || too_high ? 0 : length;
}

}  // namespace

std::optional<BadByte> FindBadByte(absl::string_view text) {
  BadByte place;
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    const size_t length = CharacterLength(text);
    if (length == 0) {
      place.why = absl::StrFormat("byte 0x%02x is not UTF-8", first);
      return place;
    }
    if ((first < 0x20 && first != '\t' && first != '\n' && first != '\r') || first == 0x7F) {
      place.why = absl::StrFormat("control character 0x%02x", first);
      return place;
    }
    if (first == '\n') {
      ++place.line;
      place.column = 0;
    }
    ++place.column;
    text.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace rootwright
