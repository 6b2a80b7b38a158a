#include "executors/source.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace rootwright {
namespace {

// Digits that tell a commit to people.
constexpr size_t kShortCommit = 12;

bool IsFullCommitId(absl::string_view ref) {
  return (ref.size() == 40 || ref.size() == 64) && std::all_of(ref.begin(), ref.end(), [](char c) {
           return absl::ascii_isxdigit(static_cast<unsigned char>(c));
         });
}

// What git would take for something else than the name of one branch, tag or commit.
bool IsPlainRef(absl::string_view ref) {
  return !absl::StartsWith(ref, "-") && !absl::StartsWith(ref, "+") && !absl::StrContains(ref, "..") &&
         ref.find_first_of(" :^~?*[\\\n\t") == absl::string_view::npos;
}

bool ContainsAny(absl::string_view text, std::initializer_list<absl::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [text](absl::string_view part) { return absl::StrContains(text, part); });
}

// The line of git's error output that says why; git writes it last but for hints.
std::string Reason(absl::string_view output) {
  std::string reason = "git gave no reason";
  for (absl::string_view line : absl::StrSplit(output, '\n')) {
    for (absl::string_view sign : {"fatal: ", "error: ", "remote: "}) {
      if (absl::StartsWith(line, sign)) reason = std::string(line.substr(sign.size()));
    }
  }
  return reason;
}

// One repository folder and the git command that works in it.
class Repository {
 public:
  Repository(const std::filesystem::path& folder, const OutputSink& log, Deadline deadline,
             std::stop_token stop)
      : folder_(folder), log_(log), deadline_(deadline), stop_(std::move(stop)) {}

  absl::Status Init() {
    RW_RETURN_IF_ERROR(MakeFolders(folder_));
    RW_RETURN_IF_ERROR(Expect({"init", "--quiet", "--template="}).status());
    // Only system-wide configuration reaches the process that serves a local repository;
    // without this git refuses one that belongs to another user.
    return WriteFileAtomically(SystemConfig(),
                               "[include]\n\tpath = /etc/gitconfig\n[safe]\n\tdirectory = *\n");
  }

  // Runs git here; its errors go into the log as they come.
  absl::StatusOr<SubprocessResult> Run(const std::vector<std::string>& arguments) {
    SubprocessSpec spec;
    spec.argv = {"git",
                 "-c",
                 "core.hooksPath=/dev/null",
                 "-c",
                 "advice.detachedHead=false",
                 "-c",
                 "protocol.ext.allow=never",
                 "-c",
                 "submodule.recurse=false",
                 "-c",
                 "gc.auto=0",
                 "-c",
                 "core.symlinks=true",
                 "-C",
                 folder_.string()};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.environment = Environment();
    std::string errors;
    spec.on_stderr = [&](absl::string_view data) {
      if (errors.size() < (1 << 20)) errors.append(data.data(), data.size());
      log_(OutputStream::kStderr, data);
    };
    RW_ASSIGN_OR_RETURN(SubprocessResult result, RunSubprocess(spec, deadline_, stop_));
    result.error_output = std::move(errors);
    return result;
  }

  // The same where a failure is none of the user's doing.
  absl::StatusOr<std::string> Expect(const std::vector<std::string>& arguments) {
    RW_ASSIGN_OR_RETURN(const SubprocessResult result, Run(arguments));
    if (result.ok()) return std::string(absl::StripTrailingAsciiWhitespace(result.output));
    return absl::InternalError(
        absl::StrCat("git ", arguments[0], ": ", folder_.string(), ": ", Reason(result.error_output)));
  }

 private:
  std::filesystem::path SystemConfig() const { return folder_ / ".git/rootwright-system-config"; }

  // The caller's own, for credential helpers, proxies and ssh agents; no questions.
  std::map<std::string, std::string> Environment() const {
    std::map<std::string, std::string> variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::vector<std::string> parts = absl::StrSplit(*entry, absl::MaxSplits('=', 1));
      const bool redirects = absl::StartsWith(parts[0], "GIT_") && !absl::StartsWith(parts[0], "GIT_SSH") &&
                             !absl::StartsWith(parts[0], "GIT_CONFIG_GLOBAL") && parts[0] != "GIT_SSL_CAINFO";
      if (parts.size() == 2 && !redirects) variables[parts[0]] = parts[1];
    }
    variables["LC_ALL"] = "C";
    variables["GIT_TERMINAL_PROMPT"] = "0";
    variables["GIT_ASKPASS"] = "true";
    variables["SSH_ASKPASS"] = "true";
    variables["GIT_ALLOW_PROTOCOL"] = "https:http:ssh:git:file";
    variables["GIT_CONFIG_SYSTEM"] = SystemConfig().string();
    // A server that takes the connection and then says nothing must not hold the build.
    variables["GIT_HTTP_LOW_SPEED_LIMIT"] = "1";
    variables["GIT_HTTP_LOW_SPEED_TIME"] = "60";
    variables.try_emplace("GIT_SSH_COMMAND",
                          "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15");
    return variables;
  }

  const std::filesystem::path& folder_;
  const OutputSink& log_;
  const Deadline deadline_;
  const std::stop_token stop_;
};

// What git's words mean for us.
absl::Status FetchError(const GitSource& source, absl::string_view output) {
  const std::string about = absl::StrCat("fetch ", source.url, ": ");
  const std::string reason = Reason(output);
  if (ContainsAny(output, {"couldn't find remote ref", "Could not find remote branch", "not our ref",
                           "Server does not allow request for unadvertised object"})) {
    return absl::NotFoundError(
        source.ref.empty() ? absl::StrCat(about, "the repository is empty: it has no HEAD")
                           : absl::StrCat(about, "no such branch, tag or commit: '", source.ref, "'"));
  }
  if (ContainsAny(output, {"not allowed", "unable to find remote helper", "is not a valid remote name"})) {
    return absl::InvalidArgumentError(absl::StrCat(about, reason));
  }
  if (ContainsAny(output, {"could not read Username", "could not read Password", "Authentication failed",
                           "Permission denied", "Host key verification failed", "returned error: 403"})) {
    return absl::PermissionDeniedError(
        absl::StrCat(about, "the build host may not read it: ", reason, "; give the agent's user access"));
  }
  if (ContainsAny(output, {"does not appear to be a git repository", "epository not found", "' not found",
                           "not a git repository", "no such repository"})) {
    return absl::NotFoundError(absl::StrCat(about, "no such repository"));
  }
  return WithFault(absl::UnavailableError(absl::StrCat(about, reason)), Fault::kRemote);
}

// A server may refuse a commit that no branch ends at; all its branches may still hold it.
absl::Status FetchThroughBranches(Repository& repository, const GitSource& source) {
  RW_ASSIGN_OR_RETURN(
      const SubprocessResult fetched,
      repository.Run({"fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", source.url,
                      "+refs/heads/*:refs/rootwright/heads/*", "+refs/tags/*:refs/rootwright/tags/*"}));
  if (!fetched.ok()) return FetchError(source, fetched.error_output);
  RW_ASSIGN_OR_RETURN(const SubprocessResult there,
                      repository.Run({"cat-file", "-e", absl::StrCat(source.ref, "^{commit}")}));
  if (there.ok()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("fetch ", source.url, ": no such commit: '", source.ref, "'"));
}

// Returns what to check out.
absl::StatusOr<std::string> Fetch(Repository& repository, const GitSource& source) {
  RW_ASSIGN_OR_RETURN(
      const SubprocessResult fetched,
      repository.Run({"fetch", "--quiet", "--depth", "1", "--no-tags", "--no-recurse-submodules", "--",
                      source.url, source.ref.empty() ? "HEAD" : source.ref}));
  if (fetched.ok()) return "FETCH_HEAD";
  const absl::Status error = FetchError(source, fetched.error_output);
  if (!absl::IsNotFound(error) || !IsFullCommitId(source.ref)) return error;
  if (absl::StrContains(error.message(), "no such repository")) return error;
  RW_RETURN_IF_ERROR(FetchThroughBranches(repository, source));
  return source.ref;
}

// The folder that was asked for; no link in the repository may lead to another place of
// the build host.
absl::StatusOr<std::filesystem::path> FolderIn(const GitSource& source, const std::filesystem::path& into) {
  if (source.path.empty()) return into;
  const UniqueFd top(open(into.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top) return ErrnoStatus(errno, "open", into.string());
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const UniqueFd folder(
      static_cast<int>(syscall(SYS_openat2, top.get(), source.path.c_str(), &how, sizeof how)));
  if (folder) return into / source.path;
  const std::string where =
      absl::StrCat(source.url, source.ref.empty() ? "" : absl::StrCat(" at ", source.ref));
  if (errno == ENOENT || errno == ENOTDIR) {
    return absl::NotFoundError(absl::StrCat("fetch ", where, ": no such folder: '", source.path, "'"));
  }
  if (errno == ELOOP || errno == EXDEV) {
    return absl::InvalidArgumentError(absl::StrCat("fetch ", where, ": '", source.path,
                                                   "' is or leads through a link; name the folder itself"));
  }
  return ErrnoStatus(errno, "open", source.path);
}

class FetchSourceStep : public Step {
 public:
  FetchSourceStep(std::string name, GitSource source, std::filesystem::path into, FetchedSource& fetched)
      : name_(std::move(name)), source_(std::move(source)), into_(std::move(into)), fetched_(fetched) {}
  std::string name() const override { return name_; }
  Place place() const override { return Place::kHost; }
  absl::StatusOr<bool> Check(StepContext&) override { return !fetched_.commit.empty(); }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    std::error_code ignored;
    std::filesystem::remove_all(into_, ignored);
    absl::StatusOr<FetchedSource> fetched =
        FetchSource(source_, into_, context.LogSink(), context.deadline, context.stop);
    const absl::StatusCode code = fetched.status().code();
    if (code == absl::StatusCode::kNotFound || code == absl::StatusCode::kInvalidArgument ||
        code == absl::StatusCode::kPermissionDenied) {
      return StepResult::Failed(std::string(fetched.status().message()));
    }
    RW_ASSIGN_OR_RETURN(fetched_, std::move(fetched));
    context.reporter.SourceResolved(fetched_.commit, fetched_.commit_time);
    return StepResult::Done(absl::StrCat("commit ", fetched_.commit.substr(0, kShortCommit)));
  }

 private:
  const std::string name_;
  const GitSource source_;
  const std::filesystem::path into_;
  FetchedSource& fetched_;
};

}  // namespace

absl::StatusOr<FetchedSource> FetchSource(const GitSource& source, const std::filesystem::path& into,
                                          const OutputSink& log, Deadline deadline, std::stop_token stop) {
  if (source.url.empty() || absl::StartsWith(source.url, "-")) {
    return absl::InvalidArgumentError(absl::StrCat("fetch: '", source.url, "': not a repository's URL"));
  }
  if (!IsPlainRef(source.ref)) {
    return absl::InvalidArgumentError(
        absl::StrCat("fetch ", source.url, ": '", source.ref, "': not the name of a branch, tag or commit"));
  }
  Repository repository(into, log, deadline, std::move(stop));
  RW_RETURN_IF_ERROR(repository.Init());
  RW_ASSIGN_OR_RETURN(const std::string fetched, Fetch(repository, source));
  FetchedSource result;
  RW_ASSIGN_OR_RETURN(result.commit,
                      repository.Expect({"rev-parse", "--verify", absl::StrCat(fetched, "^{commit}")}));
  RW_ASSIGN_OR_RETURN(const SubprocessResult checked_out,
                      repository.Run({"checkout", "--quiet", "--force", "--detach", result.commit}));
  if (!checked_out.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("check out ", source.url, " at ", result.commit, ": ",
                                                   Reason(checked_out.error_output)));
  }
  RW_ASSIGN_OR_RETURN(const std::string time,
                      repository.Expect({"show", "-s", "--format=%ct", result.commit}));
  int64_t seconds = 0;
  if (!absl::SimpleAtoi(time, &seconds)) {
    return absl::InternalError(absl::StrCat("read the commit's time: ", result.commit, ": '", time, "'"));
  }
  result.commit_time = absl::FromUnixSeconds(seconds);
  RW_ASSIGN_OR_RETURN(result.folder, FolderIn(source, into));
  return result;
}

std::unique_ptr<Step> MakeFetchSource(std::string name, GitSource source, std::filesystem::path into,
                                      FetchedSource& fetched) {
  return std::make_unique<FetchSourceStep>(std::move(name), std::move(source), std::move(into), fetched);
}

}  // namespace rootwright
