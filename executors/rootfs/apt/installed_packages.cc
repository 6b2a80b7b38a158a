#include "executors/rootfs/apt/installed_packages.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

constexpr char kStatusFile[] = "var/lib/dpkg/status";
constexpr int64_t kMostBytes = 256 << 20;

void ReadField(absl::string_view line, InstalledPackage& package) {
  const std::pair<absl::string_view, absl::string_view> field = absl::StrSplit(line, absl::MaxSplits(':', 1));
  const std::string value(absl::StripAsciiWhitespace(field.second));
  if (field.first == "Package") package.name = value;
  if (field.first == "Version") package.version = value;
  if (field.first == "Architecture") package.architecture = value;
  if (field.first == "Status") package.status = value;
}

}  // namespace

absl::StatusOr<std::vector<InstalledPackage>> ReadDpkgStatus(const std::filesystem::path& tree) {
  const std::string shown = (tree / kStatusFile).string();
  const UniqueFd root(open(tree.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return ErrnoStatus(errno, "open", tree.string());
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const UniqueFd fd(static_cast<int>(syscall(SYS_openat2, root.get(), kStatusFile, &how, sizeof how)));
  if (!fd)
    return absl::DataLossError(absl::StrCat("read dpkg's database: ", shown, ": no such file in the result"));
  RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(absl::StrCat("/proc/self/fd/", fd.get()), kMostBytes));
  std::vector<InstalledPackage> packages;
  for (absl::string_view paragraph : absl::StrSplit(text, "\n\n", absl::SkipWhitespace())) {
    InstalledPackage package;
    for (absl::string_view line : absl::StrSplit(paragraph, '\n')) {
      if (!absl::StartsWith(line, " ")) ReadField(line, package);
    }
    if (package.name.empty())
      return absl::DataLossError(absl::StrCat("read dpkg's database: ", shown, ": damaged"));
    packages.push_back(std::move(package));
  }
  std::sort(packages.begin(), packages.end(), [](const InstalledPackage& a, const InstalledPackage& b) {
    return std::tie(a.name, a.architecture) < std::tie(b.name, b.architecture);
  });
  return packages;
}

}  // namespace rootwright
