#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "executors/rootfs/portage/emerge_log.h"
#include "executors/rootfs/portage/observability.h"

namespace rootwright {

// A package that could not be built or merged.
struct MergeFailure {
  // "app-test/fails-to-compile-1"
  std::string cpv;
  // "compile", "postinst"; empty when Portage does not say.
  std::string phase;
  // What Portage says of it: "emake failed".
  std::string message;
  // The last lines of its log before that.
  std::vector<std::string> tail;
  // Where the whole log is, inside the environment.
  std::string log;
};

// emerge's exit status; negative: the signal that ended it.
struct MergeEnd {
  int exit_code = 0;
};

using MergeEvent = std::variant<EmergeSnapshot, EmergeLogEntry, MergeFailure, MergeEnd>;

// Reads what the merge program writes while emerge runs. Not trusted: what cannot be read is left out, and
// nothing grows without bound. Whether emerge succeeded is for the exit status of the program to say.
class MergeReport {
 public:
  // Bytes in any pieces; returns what is whole by now, in order.
  std::vector<MergeEvent> Append(absl::string_view data);

 private:
  std::string pending_;
  // In a line that is longer than any real one.
  bool skipping_ = false;
};

// The program that runs emerge, for `python3 - [emerge options] atom…` in the environment: it reads this on
// standard input, answers on descriptor 3 and exits with emerge's status.
absl::string_view MergeProgram();

// "app-test/fails-to-compile-1 did not compile: emake failed: greeter.c:1:25: error: …", its last line of
// tail being the one that looks most like the reason.
std::string DescribeFailure(const MergeFailure& failure);

}  // namespace rootwright
