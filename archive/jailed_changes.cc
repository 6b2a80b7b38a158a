#include "archive/jailed_changes.h"

#include <fcntl.h>

#include <array>
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
namespace {

using Figures = std::array<int64_t, 3>;

bool ReadFigures(absl::string_view line, Figures& figures) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != figures.size()) return false;
  for (size_t i = 0; i < figures.size(); ++i)
    if (!absl::SimpleAtoi(words[i], &figures[i])) return false;
  return true;
}

// Runs the program in `mode` (none: lay over) and returns the three figures of its last line. Lines before
// it are single figures, for `progress`.
absl::StatusOr<Figures> RunInJail(const std::filesystem::path& program, const std::vector<std::string>& mode,
                                  const std::filesystem::path& archive, const std::filesystem::path& tree,
                                  const OverlayLimits& limits, const UnpackProgress& progress,
                                  Deadline deadline, std::stop_token stop) {
  const UniqueFd fd(open(archive.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open the archive", archive.string());
  SubprocessSpec spec;
  spec.argv = {program.string()};
  spec.argv.insert(spec.argv.end(), mode.begin(), mode.end());
  spec.argv.insert(spec.argv.end(), {tree.string(), absl::StrCat(limits.entries),
                                     absl::StrCat(limits.name_bytes), absl::StrCat(limits.content_bytes)});
  spec.descriptors = {{fd.get(), 3}};
  std::string line;
  spec.on_stdout = [&](absl::string_view piece) {
    for (const char c : piece) {
      if (c != '\n') {
        if (line.size() < 256) line += c;
        continue;
      }
      int64_t at = 0;
      // The last line, of three figures, stays.
      if (!absl::SimpleAtoi(line, &at)) continue;
      if (progress) progress(at);
      line.clear();
    }
  };
  RW_ASSIGN_OR_RETURN(const SubprocessResult result, RunSubprocess(spec, deadline, std::move(stop)));
  const std::string said(absl::StripAsciiWhitespace(result.error_output));
  if (result.exit_code > kFirstErrorExit) {
    return absl::Status(static_cast<absl::StatusCode>(result.exit_code - kFirstErrorExit), said);
  }
  Figures figures;
  if (!result.ok() || !ReadFigures(line, figures)) {
    return absl::InternalError(absl::StrCat(
        "read the archive: ", archive.filename().string(), ": ", program.filename().string(), ": ",
        result.signal != 0 ? absl::StrCat("signal ", result.signal) : absl::StrCat("exit ", result.exit_code),
        said.empty() ? "" : ": ", said));
  }
  return figures;
}

}  // namespace

absl::StatusOr<OverlayChanges> ApplyChangesInJail(const std::filesystem::path& program,
                                                  const std::filesystem::path& archive,
                                                  const std::filesystem::path& tree,
                                                  const OverlayLimits& limits, Deadline deadline,
                                                  std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const Figures figures,
                      RunInJail(program, {}, archive, tree, limits, {}, deadline, std::move(stop)));
  return OverlayChanges{.written = figures[0], .removed = figures[1], .content_bytes = figures[2]};
}

absl::StatusOr<UnpackedTree> UnpackTreeInJail(const std::filesystem::path& program,
                                              const std::filesystem::path& archive,
                                              const std::filesystem::path& tree, const OverlayLimits& limits,
                                              const UnpackProgress& progress, Deadline deadline,
                                              std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const Figures figures, RunInJail(program, {"--unpack"}, archive, tree, limits, progress,
                                                       deadline, std::move(stop)));
  return UnpackedTree{.entries = figures[0], .devices_left_out = figures[1], .content_bytes = figures[2]};
}

}  // namespace rootwright
