#include "executors/guest/program/console.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace rootwright::guest {

void Say(const char* format, ...) {
  char line[512];
  int size = std::snprintf(line, sizeof line, "rootwright-guest: ");
  va_list arguments;
  va_start(arguments, format);
  const int more =
      std::vsnprintf(line + size, sizeof line - static_cast<size_t>(size) - 1, format, arguments);
  va_end(arguments);
  if (more > 0) size = std::min(size + more, static_cast<int>(sizeof line) - 2);
  line[size++] = '\n';
  // Nobody to tell when this fails.
  [[maybe_unused]] const ssize_t written = write(2, line, static_cast<size_t>(size));
}

int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace rootwright::guest
