#pragma once

#include <locale.h>

namespace rootwright {

// Makes names UTF-8 for libarchive on this thread, whatever the program's locale is: in the
// C locale libarchive refuses file names that are not ASCII, and a Debian root has some
// (ca-certificates). Put one beside every reader and writer; they nest.
class Utf8Locale {
 public:
  Utf8Locale();
  ~Utf8Locale();
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t before_;
};

}  // namespace rootwright
