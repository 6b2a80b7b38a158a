#include "executors/container/upper_archive.h"

#include <signal.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/size_text.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "executors/container/mounts.h"

namespace rootwright {
namespace {

constexpr int kTreeNumber = 3;
// tar: something changed while it was read.
constexpr int kChanged = 1;

}  // namespace

absl::Status WriteUpperArchive(const std::filesystem::path& upper, const IdRange& ids, int64_t most,
                               const std::filesystem::path& archive, Deadline deadline,
                               std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const UniqueFd tree, OpenUnshifted(upper, ids));
  SubprocessSpec tar;
  tar.argv = {"prlimit",
              absl::StrCat("--fsize=", most),
              "tar",
              "--create",
              absl::StrCat("--file=", archive.string()),
              absl::StrCat("--directory=/proc/self/fd/", kTreeNumber),
              "--numeric-owner",
              "--format=posix",
              "--xattrs",
              "--xattrs-include=trusted.overlay.opaque",
              "--xattrs-include=security.capability",
              "--xattrs-include=user.*",
              "--warning=no-file-changed",
              "--warning=no-file-ignored",
              "."};
  tar.environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C"}};
  tar.descriptors = {{tree.get(), kTreeNumber}};
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(tar, deadline, std::move(stop));
  absl::Status status = result.status();
  if (result.ok() && result->signal == SIGXFSZ) {
    status = absl::ResourceExhaustedError(
        absl::StrCat("export changes: ", archive.string(), ": more than ", SizeText(most)));
  } else if (result.ok() && (result->signal != 0 || result->exit_code > kChanged)) {
    status = absl::InternalError(absl::StrCat("export changes: tar: exit ", result->exit_code, ": ",
                                              absl::StripAsciiWhitespace(result->error_output)));
  }
  if (!status.ok()) unlink(archive.c_str());
  return status;
}

}  // namespace rootwright
