#include "debian/apt_state.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/wait.h"

namespace rootwright {
namespace {

constexpr absl::Duration kLockRetry = absl::Milliseconds(50);

bool IsPlain(absl::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) ||
        absl::StrContains("[]\"'#;{}\\", absl::string_view(&c, 1)))
      return false;
  }
  return true;
}

// How this process reaches the network, for apt too.
std::map<std::string, std::string> BaseEnvironment() {
  std::map<std::string, std::string> environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"},
                                                    {"LC_ALL", "C.UTF-8"},
                                                    {"HOME", "/nonexistent"},
                                                    {"DEBIAN_FRONTEND", "noninteractive"}};
  for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy", "HTTP_PROXY",
                           "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}) {
    if (const char* value = std::getenv(name); value != nullptr) environment[name] = value;
  }
  return environment;
}

std::string Configuration(const std::filesystem::path& folder, Architecture architecture,
                          absl::string_view network) {
  const std::string arch = NamesOf(architecture).debian;
  const std::string at = folder.string();
  return absl::StrCat(
      network, "Dir::Etc \"", at, "/\";\n", "Dir::Etc::main \"/dev/null\";\n", "Dir::Etc::parts \"", at,
      "/parts/\";\n", "Dir::Etc::sourcelist \"", at, "/sources.list\";\n",
      "Dir::Etc::sourceparts \"/dev/null\";\n", "Dir::Etc::preferences \"/dev/null\";\n",
      "Dir::Etc::preferencesparts \"/dev/null\";\n", "Dir::Etc::trusted \"/dev/null\";\n",
      "Dir::Etc::trustedparts \"/dev/null\";\n", "Dir::Etc::netrc \"/etc/apt/auth.conf\";\n",
      "Dir::Etc::netrcparts \"/etc/apt/auth.conf.d\";\n", "Dir::State \"", at, "/\";\n",
      "Dir::State::lists \"", at, "/lists/\";\n", "Dir::State::status \"", at, "/status\";\n",
      "Dir::State::extended_states \"", at, "/extended_states\";\n", "Dir::Cache \"", at, "/cache/\";\n",
      "Dir::Log \"", at, "/log/\";\n", "APT::Architecture \"", arch, "\";\n", "APT::Architectures { \"", arch,
      "\"; };\n",
      // Names are names: no regular expression is tried when there is no such package.
      "APT::Cmd::Pattern-Only \"true\";\n", "APT::Install-Recommends \"false\";\n",
      "APT::Install-Suggests \"false\";\n", "APT::Sandbox::User \"root\";\n",
      "Acquire::Languages \"none\";\n", "Acquire::PDiffs \"false\";\n", "Acquire::Retries \"2\";\n",
      "#clear DPkg::Pre-Invoke;\n#clear DPkg::Post-Invoke;\n#clear APT::Update::Post-Invoke;\n");
}

absl::Status WriteIfDifferent(const std::filesystem::path& path, absl::string_view content) {
  const absl::StatusOr<std::string> there = ReadFile(path);
  if (there.ok() && absl::string_view(*there) == content) return absl::OkStatus();
  // A proxy's address may hold a password.
  return WriteFileAtomically(path, content, 0600);
}

absl::StatusOr<UniqueFd> Lock(const std::filesystem::path& path, Deadline deadline,
                              const std::stop_token& stop) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, "open the lock", path.string());
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, "lock", path.string());
    if (deadline.Passed()) {
      return absl::DeadlineExceededError(absl::StrCat("lock: ", path.string(), ": another build holds it"));
    }
    RW_RETURN_IF_ERROR(SleepFor(kLockRetry, stop));
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::string> SourcesList(Architecture architecture, const std::vector<AptSource>& sources) {
  std::string list;
  for (const AptSource& source : sources) {
    std::vector<std::string> parts = {source.mirror, source.suite, source.keyring.string()};
    parts.insert(parts.end(), source.components.begin(), source.components.end());
    for (const std::string& part : parts) {
      if (!IsPlain(part)) {
        return absl::InvalidArgumentError(absl::StrCat("package source: ", source.mirror, " ", source.suite,
                                                       ": '", part,
                                                       "' is empty or has characters it cannot have"));
      }
    }
    absl::StrAppend(&list, "deb [arch=", NamesOf(architecture).debian, " signed-by=", source.keyring.string(),
                    "] ", source.mirror, " ", source.suite, " ", absl::StrJoin(source.components, " "), "\n");
  }
  if (list.empty()) return absl::InvalidArgumentError("package sources: there are none");
  return list;
}

std::string NetworkSettings(absl::string_view dump) {
  static constexpr const char* kTaken[] = {
      "acquire::http::",         "acquire::https::",  "acquire::http ",       "acquire::https ",
      "acquire::ftp::",          "acquire::forceipv", "acquire::check-date ", "acquire::check-valid-until ",
      "acquire::max-futuretime "};
  std::string settings;
  for (const absl::string_view line : absl::StrSplit(dump, '\n')) {
    const std::string lower = absl::AsciiStrToLower(line);
    if (!absl::EndsWith(line, "\";")) continue;
    for (const char* prefix : kTaken) {
      if (absl::StartsWith(lower, prefix)) absl::StrAppend(&settings, line, "\n");
    }
  }
  return settings;
}

absl::StatusOr<AptState> AptState::Open(const std::filesystem::path& folder, Architecture architecture,
                                        const std::vector<AptSource>& sources, Deadline deadline,
                                        std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::string list, SourcesList(architecture, sources));
  const std::filesystem::path top = std::filesystem::absolute(folder);
  if (!IsPlain(top.string())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "package cache: ", top.string(), ": its name has characters that apt's configuration cannot hold"));
  }
  AptState state(top / absl::StrCat(NamesOf(architecture).debian, "-", Sha256::Of(list).substr(0, 12)));
  for (const char* part : {"lists/partial", "cache/archives/partial", "parts", "log"}) {
    RW_RETURN_IF_ERROR(MakeFolders(state.folder_ / part));
  }
  RW_ASSIGN_OR_RETURN(state.lock_, Lock(state.folder_ / "lock", deadline, stop));
  state.environment_ = BaseEnvironment();
  SubprocessSpec dump{.argv = {"apt-config", "dump"}, .environment = state.environment_};
  RW_ASSIGN_OR_RETURN(const SubprocessResult host, CheckSubprocess(dump, deadline, stop));
  const std::filesystem::path configuration = state.folder_ / "apt.conf";
  RW_RETURN_IF_ERROR(WriteIfDifferent(
      configuration, Configuration(state.folder_, architecture, NetworkSettings(host.output))));
  RW_RETURN_IF_ERROR(WriteIfDifferent(state.folder_ / "sources.list", list));
  RW_RETURN_IF_ERROR(WriteIfDifferent(state.folder_ / "status", ""));
  state.environment_["APT_CONFIG"] = configuration.string();
  return state;
}

absl::StatusOr<SubprocessResult> AptState::Run(std::vector<std::string> argv, Deadline deadline,
                                               std::stop_token stop) const {
  SubprocessSpec spec;
  spec.argv = std::move(argv);
  spec.environment = environment_;
  std::string output;
  std::string errors;
  // Whole: a plan for thousands of packages is longer than what a result keeps.
  spec.on_stdout = [&](absl::string_view bytes) { absl::StrAppend(&output, bytes); };
  spec.on_stderr = [&](absl::string_view bytes) { absl::StrAppend(&errors, bytes); };
  RW_ASSIGN_OR_RETURN(SubprocessResult result, RunSubprocess(spec, deadline, std::move(stop)));
  result.output = std::move(output);
  result.error_output = std::move(errors);
  return result;
}

absl::Duration AptState::IndexAge() const {
  struct stat found {};
  if (stat((folder_ / "updated").c_str(), &found) != 0) return absl::InfiniteDuration();
  return Clock::Real().Wall() - absl::TimeFromTimespec(found.st_mtim);
}

absl::Status AptState::MarkUpdated() const { return WriteFileAtomically(folder_ / "updated", "", 0600); }

void AptState::MarkOutdated() const {
  std::error_code ignored;
  std::filesystem::remove(folder_ / "updated", ignored);
}

}  // namespace rootwright
