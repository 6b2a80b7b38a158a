#include "executors/libvirt/let_pass.h"

#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace rootwright {

absl::Status LetPass(const std::filesystem::path& folder, absl::string_view who) {
  for (std::filesystem::path at = folder; at.has_relative_path(); at = at.parent_path()) {
    struct stat info;
    if (stat(at.c_str(), &info) != 0) return ErrnoStatus(errno, "look at", at.string());
    if ((info.st_mode & S_IXOTH) != 0) continue;
    if (at != folder) {
      return absl::FailedPreconditionError(absl::StrCat("let ", who, " pass: ", folder.string(), ": ",
                                                        at.string(), " keeps it out: chmod o+x ", at.string(),
                                                        ", or choose another work folder"));
    }
    if (chmod(at.c_str(), info.st_mode | S_IXOTH) != 0)
      return ErrnoStatus(errno, "set the mode of", at.string());
  }
  return absl::OkStatus();
}

}  // namespace rootwright
