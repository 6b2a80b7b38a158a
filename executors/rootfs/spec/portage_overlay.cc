#include "executors/rootfs/spec/portage_overlay.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "executors/rootfs/spec/specification.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kConfiguration[] = "etc/portage";
constexpr int64_t kMostBytes = 1 << 20;
// "usr/local/portage" and the like; a repository lies no deeper.
constexpr int kDeepestRepository = 6;

bool IsPlainFile(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(fs::symlink_status(path, error));
}

// The entries of a folder in order; none when it is no folder.
std::vector<fs::path> EntriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    entries.push_back(at->path());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::string TextOf(const fs::path& path) {
  if (!IsPlainFile(path)) return "";
  const absl::StatusOr<std::string> text = ReadFile(path, kMostBytes);
  return text.ok() ? *text : "";
}

class OverlayReader {
 public:
  OverlayReader(const fs::path& folder, std::vector<SpecProblem>& problems)
      : overlay_(folder / kPreInstallOverlay), problems_(problems) {}

  PortageOverlay Read() {
    if (IsFolderWithin(overlay_, kConfiguration)) ReadConfiguration();
    FindRepositories();
    return std::move(found_);
  }

 private:
  void ReadConfiguration() {
    for (const fs::path& entry : EntriesOf(overlay_ / kConfiguration)) {
      const std::string path = absl::StrCat(kConfiguration, "/", entry.filename().string());
      std::error_code error;
      const fs::file_status status = fs::symlink_status(entry, error);
      // A link is taken for what it replaces: nothing can be put behind it as behind a file.
      if (fs::is_regular_file(status)) found_.files.insert(path);
      if (fs::is_directory(status)) found_.folders.insert(path);
      const std::string name = entry.filename().string();
      if (name == "repos.conf" || name == "make.conf") {
        declarations_ += TextOf(entry);
        if (fs::is_directory(status)) {
          for (const fs::path& part : EntriesOf(entry)) declarations_ += TextOf(part);
        }
      }
      if (name == "sets" && fs::is_directory(status)) {
        for (const fs::path& set : EntriesOf(entry)) found_.sets.push_back(set.filename().string());
      }
    }
  }

  void FindRepositories() {
    std::error_code error;
    if (!fs::is_directory(fs::symlink_status(overlay_, error))) return;
    std::vector<fs::path> names;
    fs::recursive_directory_iterator at(overlay_, fs::directory_options::skip_permission_denied, error);
    for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
      if (at.depth() >= kDeepestRepository) at.disable_recursion_pending();
      if (at->path().filename() == "repo_name" && at->path().parent_path().filename() == "profiles" &&
          IsPlainFile(at->path())) {
        names.push_back(at->path());
      }
    }
    std::sort(names.begin(), names.end());
    for (const fs::path& name : names) AddRepository(name);
  }

  void AddRepository(const fs::path& name_file) {
    OwnRepository repository;
    repository.name = std::string(absl::StripAsciiWhitespace(TextOf(name_file)));
    const fs::path relative = name_file.parent_path().parent_path().lexically_relative(overlay_);
    repository.location = absl::StrCat("/", relative.string());
    if (!IsRepositoryName(repository.name)) {
      SpecProblem problem;
      problem.file = (fs::path(kPreInstallOverlay) / relative / "profiles/repo_name").string();
      problem.message = "does not hold the name of a repository";
      problem.hint = "one line of letters, digits, - and _";
      problems_.push_back(std::move(problem));
      return;
    }
    repository.declared = absl::StrContains(declarations_, repository.location);
    found_.repositories.push_back(std::move(repository));
  }

  const fs::path overlay_;
  std::vector<SpecProblem>& problems_;
  PortageOverlay found_;
  // All that repos.conf and make.conf of the overlay say.
  std::string declarations_;
};

}  // namespace

bool IsFolderWithin(const fs::path& folder, const fs::path& relative) {
  std::error_code error;
  fs::path at = folder;
  if (!fs::is_directory(fs::symlink_status(at, error))) return false;
  for (const fs::path& part : relative) {
    at /= part;
    if (!fs::is_directory(fs::symlink_status(at, error))) return false;
  }
  return true;
}

PortageOverlay ReadPortageOverlay(const fs::path& specification_folder, std::vector<SpecProblem>& problems) {
  return OverlayReader(specification_folder, problems).Read();
}

}  // namespace rootwright
