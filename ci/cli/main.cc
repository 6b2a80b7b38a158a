#include <unistd.h>

#include <cstdlib>

#include "absl/time/time.h"
#include "base/clock.h"
#include "ci/cli/session.h"

namespace {

std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

// The `rootwright` command: submits builds to a master, follows them, fetches what they made.
int main(int argc, char** argv) {
  rootwright::cli::CommandLine line;
  line.words.assign(argv + 1, argv + argc);
  line.master = FromEnvironment("ROOTWRIGHT_MASTER");
  line.no_color = FromEnvironment("NO_COLOR");
  return static_cast<int>(rootwright::cli::RunCommandLine(line, STDOUT_FILENO, STDERR_FILENO,
                                                          rootwright::Clock::Real(), absl::LocalTimeZone()));
}
