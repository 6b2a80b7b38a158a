#include "archive/jailed_changes.h"

#include <fcntl.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace rootwright {

absl::StatusOr<OverlayChanges> ApplyChangesInJail(const std::filesystem::path& program,
                                                  const std::filesystem::path& archive,
                                                  const std::filesystem::path& tree,
                                                  const OverlayLimits& limits, Deadline deadline,
                                                  std::stop_token stop) {
  const UniqueFd fd(open(archive.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open the changes", archive.string());
  SubprocessSpec spec;
  spec.argv = {program.string(), tree.string(), absl::StrCat(limits.entries), absl::StrCat(limits.name_bytes),
               absl::StrCat(limits.content_bytes)};
  spec.descriptors = {{fd.get(), 3}};
  RW_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(spec, deadline, std::move(stop)));
  const std::string said(absl::StripAsciiWhitespace(result.error_output));
  if (result.exit_code > kFirstErrorExit) {
    return absl::Status(static_cast<absl::StatusCode>(result.exit_code - kFirstErrorExit), said);
  }
  const std::vector<std::string> words = absl::StrSplit(absl::StripAsciiWhitespace(result.output), ' ');
  OverlayChanges changes;
  if (!result.ok() || words.size() != 3 || !absl::SimpleAtoi(words[0], &changes.written) ||
      !absl::SimpleAtoi(words[1], &changes.removed) || !absl::SimpleAtoi(words[2], &changes.content_bytes)) {
    return absl::InternalError(absl::StrCat(
        "apply changes: ", program.filename().string(), ": ",
        result.signal != 0 ? absl::StrCat("signal ", result.signal) : absl::StrCat("exit ", result.exit_code),
        said.empty() ? "" : ": ", said));
  }
  return changes;
}

}  // namespace rootwright
