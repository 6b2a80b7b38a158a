#include "executors/rootfs/portage/package_database.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kDatabase[] = "var/db/pkg";
constexpr int64_t kLongestField = 1 << 20;
constexpr size_t kMostPackages = 100000;

UniqueFd OpenBeneath(int folder, const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how)));
}

// Names of folders in a folder; those that begin with "-" are merges that were cut short.
std::vector<std::string> FoldersIn(int folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(absl::StrCat("/proc/self/fd/", folder), error)) {
    const std::string name = entry.path().filename().string();
    if (fs::is_directory(entry.symlink_status(error)) && name[0] != '-' && name[0] != '.')
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Empty when there is no such file.
std::string Field(int package, const char* name) {
  const UniqueFd fd = OpenBeneath(package, name, O_RDONLY | O_NONBLOCK);
  if (!fd) return "";
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat("/proc/self/fd/", fd.get()), kLongestField);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

// "popt-1.19-r2" → "popt", "1.19-r2": no package's name ends in what looks like a version.
std::pair<std::string, std::string> SplitName(const std::string& text) {
  size_t end = text.rfind('-');
  if (end == std::string::npos) return {text, ""};
  const bool revision = end + 2 < text.size() && text[end + 1] == 'r' &&
                        std::all_of(text.begin() + static_cast<std::ptrdiff_t>(end) + 2, text.end(),
                                    [](unsigned char c) { return absl::ascii_isdigit(c); });
  if (revision && end > 0) end = text.rfind('-', end - 1);
  if (end == std::string::npos) return {text, ""};
  return {text.substr(0, end), text.substr(end + 1)};
}

MergedPackage ReadPackage(int folder, const std::string& category, const std::string& directory) {
  MergedPackage package;
  const auto [name, version] = SplitName(directory);
  package.name = absl::StrCat(category, "/", name);
  package.version = version;
  package.slot = Field(folder, "SLOT");
  package.repository = Field(folder, "repository");
  std::set<std::string> own;
  for (absl::string_view flag :
       absl::StrSplit(Field(folder, "IUSE"), absl::ByAnyChar(" \n"), absl::SkipEmpty()))
    own.emplace(flag.substr(flag[0] == '+' || flag[0] == '-' ? 1 : 0));
  for (const std::string& flag : std::vector<std::string>(
           absl::StrSplit(Field(folder, "USE"), absl::ByAnyChar(" \n"), absl::SkipEmpty()))) {
    if (own.count(flag) != 0) package.use.push_back(flag);
  }
  std::sort(package.use.begin(), package.use.end());
  return package;
}

}  // namespace

absl::StatusOr<std::vector<MergedPackage>> ReadPackageDatabase(const fs::path& tree) {
  const UniqueFd root(open(tree.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return ErrnoStatus(errno, "open", tree.string());
  std::vector<MergedPackage> packages;
  const UniqueFd database = OpenBeneath(root.get(), kDatabase, O_RDONLY | O_DIRECTORY);
  if (!database) return packages;
  const auto damaged = [](const std::string& where) {
    return absl::DataLossError(
        absl::StrCat("read Portage's database: /", kDatabase, "/", where, ": damaged"));
  };
  for (const std::string& category : FoldersIn(database.get())) {
    const UniqueFd below = OpenBeneath(database.get(), category, O_RDONLY | O_DIRECTORY);
    if (!below) return damaged(category);
    for (const std::string& name : FoldersIn(below.get())) {
      const UniqueFd folder = OpenBeneath(below.get(), name, O_RDONLY | O_DIRECTORY);
      if (!folder || packages.size() == kMostPackages) return damaged(absl::StrCat(category, "/", name));
      if (absl::StartsWith(name, "-MERGING-")) continue;
      packages.push_back(ReadPackage(folder.get(), category, name));
    }
  }
  std::sort(packages.begin(), packages.end(), [](const MergedPackage& a, const MergedPackage& b) {
    return std::tie(a.name, a.version) < std::tie(b.name, b.version);
  });
  return packages;
}

}  // namespace rootwright
