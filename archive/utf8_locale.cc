#include "archive/utf8_locale.h"

namespace rootwright {
namespace {

// Made once, it lives as long as the program; glibc has it built in.
locale_t Utf8() {
  static const locale_t kUtf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return kUtf8;
}

}  // namespace

Utf8Locale::Utf8Locale() : before_(Utf8() == nullptr ? nullptr : uselocale(Utf8())) {}

Utf8Locale::~Utf8Locale() {
  if (before_ != nullptr) uselocale(before_);
}

}  // namespace rootwright
