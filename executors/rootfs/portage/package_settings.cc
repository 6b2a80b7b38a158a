#include "executors/rootfs/portage/package_settings.h"

#include <algorithm>
#include <array>
#include <map>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kPortage[] = "etc/portage/";
constexpr char kMakeConf[] = "etc/portage/make.conf";
constexpr std::array kCompared = {"package.use",        "package.accept_keywords", "package.keywords",
                                  "package.mask",       "package.unmask",          "package.license",
                                  "package.properties", "package.accept_restrict", "patches",
                                  "repos.conf",         "binrepos.conf",           "sets"};
constexpr std::array kComparedVariables = {"USE", "ACCEPT_KEYWORDS", "ACCEPT_LICENSE"};
constexpr std::array kPrograms = {"usr/", "opt/", "bin/", "sbin/", "lib"};

bool Counts(absl::string_view path) {
  if (absl::ConsumePrefix(&path, kPortage)) {
    const absl::string_view first = path.substr(0, path.find('/'));
    return std::find(kCompared.begin(), kCompared.end(), first) == kCompared.end();
  }
  return std::any_of(kPrograms.begin(), kPrograms.end(),
                     [&](const char* folder) { return absl::StartsWith(path, folder); });
}

// Only an assignment that begins and ends in its line is one that is left out.
bool IsCompared(absl::string_view line) {
  const size_t equals = line.find("=\"");
  return equals != absl::string_view::npos &&
         std::find(kComparedVariables.begin(), kComparedVariables.end(), line.substr(0, equals)) !=
             kComparedVariables.end() &&
         line.find('"', equals + 2) == line.size() - 1;
}

std::string WithoutCompared(absl::string_view text) {
  std::string left;
  for (const absl::string_view line : absl::StrSplit(text, '\n'))
    if (!line.empty() && line[0] != '#' && !IsCompared(line)) absl::StrAppend(&left, line, "\n");
  return left;
}

absl::Status AddLayer(const fs::path& layer, std::map<std::string, std::string>& found) {
  std::error_code error;
  fs::recursive_directory_iterator at(layer, error);
  if (error == std::errc::no_such_file_or_directory) return absl::OkStatus();
  for (const fs::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().lexically_relative(layer).string();
    const fs::file_status status = at->symlink_status(error);
    if (!Counts(path) || fs::is_directory(status)) continue;
    if (fs::is_symlink(status)) {
      found[path] = absl::StrCat("link ", fs::read_symlink(at->path(), error).string());
    } else if (!fs::is_regular_file(status)) {
      found[path] = "other";
    } else if (absl::StartsWith(path, kMakeConf)) {
      RW_ASSIGN_OR_RETURN(const std::string text, ReadFile(at->path()));
      const std::string left = WithoutCompared(text);
      if (!left.empty()) found[path] = Sha256::Of(left);
    } else {
      RW_ASSIGN_OR_RETURN(const std::string digest, Sha256::OfFile(at->path()));
      found[path] = absl::StrCat(static_cast<unsigned>(status.permissions()), " ", digest);
    }
  }
  return error ? ErrnoStatus(error.value(), "read", layer.string()) : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> SettingsOfPackages(const std::vector<fs::path>& layers) {
  Sha256 sha;
  for (const fs::path& layer : layers) {
    std::map<std::string, std::string> found;
    RW_RETURN_IF_ERROR(AddLayer(layer, found));
    if (found.empty()) continue;
    sha.Update(absl::StrCat("layer ", layer.filename().string(), "\n"));
    for (const auto& [path, what] : found) sha.Update(absl::StrCat(path.size(), " ", path, " ", what, "\n"));
  }
  return sha.Digest();
}

}  // namespace rootwright
