#include "executors/rootfs/portage/portage_files.h"

#include <algorithm>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status.h"

namespace rootwright {
namespace {

absl::Status Refused(absl::string_view what, absl::string_view value, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("emerge settings: ", what, ": '", value.substr(0, 200), "': ", why));
}

absl::Status CheckValue(absl::string_view what, absl::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](unsigned char c) {
    return c >= ' ' && c != 0x7f && c != '"' && c != '\\' && c != '$' && c != '`';
  });
  return plain ? absl::OkStatus() : Refused(what, value, "no quotes, backslashes, $ or line ends");
}

absl::Status CheckPath(absl::string_view what, absl::string_view path) {
  RW_RETURN_IF_ERROR(CheckValue(what, path));
  if (!absl::StartsWith(path, "/") || absl::StrContains(absl::StrCat(path, "/"), "/../"))
    return Refused(what, path, "must be an absolute path without '..'");
  return absl::OkStatus();
}

absl::Status CheckName(absl::string_view what, absl::string_view name) {
  const bool plain = !name.empty() && name[0] != '-' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  return plain ? absl::OkStatus() : Refused(what, name, "letters, digits, '-' and '_' only");
}

absl::Status CheckSettings(const EmergeSettings& settings) {
  RW_RETURN_IF_ERROR(CheckPath("the separate root", settings.separate_root));
  if (settings.repositories.empty())
    return absl::InvalidArgumentError(
        "emerge settings: no repository: name one below etc/portage/repos.conf");
  for (const PortageRepository& repository : settings.repositories) {
    RW_RETURN_IF_ERROR(CheckName("repository", repository.name));
    RW_RETURN_IF_ERROR(CheckPath("repository", repository.location));
  }
  return CheckPath("profile", absl::StrCat("/", settings.profile));
}

bool LinksAgainstRoot(const EmergeSettings& settings) {
  return settings.debian_root && settings.root_mode == RootMode::kSeparate;
}

// What Rootwright relies on, whatever make.conf says. The sandboxes of Portage are left off: the environment
// is one, Debian has no `sandbox`, and their namespaces are not to be had in every container.
std::string Features(const EmergeSettings& settings) {
  std::vector<std::string> features = {
      "observability", "-sandbox",         "-usersandbox", "-userpriv",      "-userfetch",
      "-usersync",     "-network-sandbox", "-ipc-sandbox", "-pid-sandbox",   "-mount-sandbox",
      "-news",         "-merge-sync",      "-merge-wait",  "-parallel-fetch"};
  // What Debian installed stays whole.
  if (settings.debian_root) features.emplace_back("collision-protect");
  features.emplace_back(settings.use_binary_packages ? "buildpkg" : "-buildpkg");
  if (settings.merges_binaries_alone) features.emplace_back("parallel-install");
  if (settings.functions_never_meet) features.emplace_back("-ebuild-locks");
  return absl::StrJoin(features, " ");
}

}  // namespace

absl::StatusOr<std::vector<PortageFile>> PortageFiles(const EmergeSettings& settings) {
  RW_RETURN_IF_ERROR(CheckSettings(settings));
  std::string repositories =
      absl::StrCat("[DEFAULT]\nmain-repo = ", settings.repositories.front().name, "\n");
  for (const PortageRepository& repository : settings.repositories) {
    absl::StrAppend(&repositories, "\n[", repository.name, "]\nlocation = ", repository.location,
                    "\nauto-sync = no\n");
  }
  std::vector<PortageFile> files = {{"/etc/portage/repos.conf/rootwright.conf", repositories, "", 0644}};
  if (!settings.profile.empty()) {
    files.push_back({"/etc/portage/make.profile", "",
                     absl::StrCat(settings.repositories.front().location, "/profiles/", settings.profile),
                     0777});
  }
  return files;
}

std::map<std::string, std::string> PortageVariables(const EmergeSettings& settings) {
  std::map<std::string, std::string> variables = {
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/root"},
      {"TERM", "dumb"},
      // Portage refuses what is not UTF-8.
      {"LANG", "C.UTF-8"},
      {"LC_ALL", "C.UTF-8"},
      {"NO_COLOR", "1"},
      {"NOCOLOR", "true"},
      {"FEATURES", Features(settings)},
      {"DISTDIR", settings.distfiles},
      {"PORTAGE_RO_DISTDIRS", absl::StrJoin(settings.shared_distfiles, " ")},
      {"PKGDIR", settings.binary_packages},
      {"BINPKG_FORMAT", "gpkg"},
      {"PORTAGE_LOGDIR", "/var/log/portage"},
      {"PORTAGE_ELOG_SYSTEM", "save_summary:log,warn,error,qa"},
      {"MAKEOPTS", absl::StrCat("-j", std::max(1, settings.jobs))},
      {"GENTOO_MIRRORS", absl::StrJoin(settings.mirrors, " ")},
      {"CLEAN_DELAY", "0"},
      {"EMERGE_WARNING_DELAY", "0"},
      // What a specification's make.conf may hold for a person at a terminal, such as --ask.
      {"EMERGE_DEFAULT_OPTS", ""}};
  if (settings.root_mode == RootMode::kInPlace) return variables;
  variables["ROOT"] = settings.separate_root;
  if (!LinksAgainstRoot(settings)) return variables;
  const std::string usr = settings.separate_root + "/usr";
  variables["SYSROOT"] = settings.separate_root;
  // Debian's compiler looks there besides its own folders; these are not flags, so that no make.conf loses
  // them.
  variables["C_INCLUDE_PATH"] = variables["CPLUS_INCLUDE_PATH"] = usr + "/include";
  variables["LIBRARY_PATH"] = usr + "/lib";
  variables["PKG_CONFIG_PATH"] = absl::StrCat(usr, "/lib/pkgconfig:", usr, "/share/pkgconfig");
  variables["CMAKE_PREFIX_PATH"] = usr;
  return variables;
}

std::vector<std::string> EmergeOptions(const EmergeSettings& settings) {
  // One more than there are CPUs: each also waits for its disk and its programs.
  const int packages = settings.merges_binaries_alone ? std::max(1, settings.jobs) + 1 : 1;
  std::vector<std::string> options = {"--color=n", "--nospinner", absl::StrCat("--jobs=", packages),
                                      "--quiet-build=n"};
  if (settings.use_binary_packages) {
    // Portage adds the C library's version to what a package needs; in a root that has none yet that looks
    // like a changed ebuild, and every binary package would be left out.
    options.insert(options.end(), {"--usepkg=y", "--binpkg-changed-deps=n", "--binpkg-respect-use=y"});
  }
  if (settings.keep_going) options.emplace_back("--keep-going=y");
  return options;
}

absl::Status WritePortageFiles(const std::vector<PortageFile>& files, const std::filesystem::path& folder) {
  for (const PortageFile& file : files) {
    const std::filesystem::path path = folder / file.path.substr(1);
    RW_RETURN_IF_ERROR(MakeFolders(path.parent_path()));
    if (file.link_target.empty()) {
      RW_RETURN_IF_ERROR(WriteFileAtomically(path, file.content, file.mode));
      continue;
    }
    std::error_code error;
    std::filesystem::create_symlink(file.link_target, path, error);
    if (error) return ErrnoStatus(error.value(), "make link", path.string());
  }
  return absl::OkStatus();
}

}  // namespace rootwright
