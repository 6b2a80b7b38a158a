#include "executors/rootfs/portage/repositories.h"

#include <algorithm>
#include <optional>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr char kRepositories[] = "/var/db/repos";
constexpr char kProfileLink[] = "etc/portage/make.profile";
constexpr int64_t kLongestList = 1 << 20;

struct Candidate {
  PortageRepository repository;
  // On the host.
  fs::path folder;
  bool shared = false;
};

// No link is followed: both trees are somebody else's.
bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

std::vector<Candidate> InBuildRoot(const fs::path& tree) {
  std::vector<Candidate> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(tree / (kRepositories + 1), error)) {
    if (!entry.is_directory(error) || entry.is_symlink(error)) continue;
    const absl::StatusOr<std::string> name = ReadFile(entry.path() / "profiles/repo_name", kLongestList);
    if (!name.ok()) continue;
    found.push_back({{std::string(absl::StripAsciiWhitespace(*name)),
                      absl::StrCat(kRepositories, "/", entry.path().filename().string())},
                     entry.path()});
  }
  // Gentoo's own before its overlays.
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.repository.name != "gentoo", a.repository.name) <
           std::pair(b.repository.name != "gentoo", b.repository.name);
  });
  return found;
}

void Take(Candidate candidate, std::vector<Candidate>& all) {
  const auto same = std::find_if(all.begin(), all.end(), [&](const Candidate& other) {
    return other.repository.name == candidate.repository.name;
  });
  if (same == all.end())
    all.push_back(std::move(candidate));
  else
    *same = std::move(candidate);
}

// "amd64 default/linux/amd64/23.0 stable": the first of the architecture.
std::string UsualProfile(const fs::path& repository, const std::string& keyword) {
  const absl::StatusOr<std::string> list = ReadFile(repository / "profiles/profiles.desc", kLongestList);
  if (!list.ok()) return "";
  for (const absl::string_view line : absl::StrSplit(*list, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() >= 2 && words[0] == keyword && !absl::StrContains(words[1], "..")) return words[1];
  }
  return "";
}

absl::StatusOr<std::string> ChooseProfile(const Candidate& main, const fs::path& source, const fs::path& tree,
                                          const Platform& platform) {
  if (IsThere(source / kPreInstallOverlay / kProfileLink)) return "";
  std::error_code error;
  if (!platform.profile.empty() && fs::is_directory(main.folder / "profiles" / platform.profile, error))
    return platform.profile;
  if (IsThere(tree / kProfileLink)) return "";
  std::string usual = UsualProfile(main.folder, platform.keyword());
  if (!usual.empty()) return usual;
  return absl::FailedPreconditionError(absl::StrCat(
      "repository ", main.repository.name, " has no profile for platform ", platform.name, " (",
      platform.profile.empty() ? platform.keyword() : platform.profile,
      "): name one in the platforms file, or link ", kPreInstallOverlay, "/", kProfileLink, " to it"));
}

}  // namespace

absl::StatusOr<RepositoryChoice> ChooseRepositories(const PortageSettings& settings, const fs::path& source,
                                                    const BuildRoot& build_root,
                                                    const std::vector<HostRepository>& host,
                                                    const Platform& platform) {
  std::vector<Candidate> all;
  for (const HostRepository& repository : host) {
    Take({{repository.name, absl::StrCat(kRepositories, "/", repository.name)}, repository.folder, true},
         all);
  }
  for (Candidate& candidate : InBuildRoot(build_root.tree)) {
    const bool known = std::any_of(host.begin(), host.end(), [&](const HostRepository& repository) {
      return repository.name == candidate.repository.name;
    });
    if (!known) Take(std::move(candidate), all);
  }
  for (const OwnRepository& own : settings.overlay.repositories) {
    Take({{own.name, own.location}, source / kPreInstallOverlay / own.location.substr(1)}, all);
  }
  if (all.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("no repository of ebuilds: the agent's configuration names none (portage.repository), ",
                     build_root.name, " holds none, and neither does ", kPreInstallOverlay));
  }
  RepositoryChoice choice;
  for (const Candidate& candidate : all) {
    choice.repositories.push_back(candidate.repository);
    choice.folders[candidate.repository.name] = candidate.folder;
    if (candidate.shared) choice.shared.emplace_back(candidate.folder, candidate.repository.location);
  }
  RW_ASSIGN_OR_RETURN(choice.profile, ChooseProfile(all.front(), source, build_root.tree, platform));
  return choice;
}

}  // namespace rootwright
