#include "ci/cli/spec_source.h"

#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "ci/cli/interrupts.h"
#include "ci/cli/submit_request.h"
#include "executors/source.h"

namespace rootwright::cli {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kLongestFetch = absl::Minutes(10);
constexpr auto kQuietFor = std::chrono::seconds(1);

// Says on a thread of its own that something goes on, once it takes longer: every second on a
// terminal, every ten elsewhere.
class Waiting {
 public:
  Waiting(Screen& screen, std::string what) : screen_(screen), what_(std::move(what)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }
  ~Waiting() {
    thread_.request_stop();
    thread_.join();
    if (shown_ && screen_.is_terminal()) screen_.Write("\r\x1b[K");
  }

 private:
  void Run(const std::stop_token& stop) {
    Mutex mutex;
    CondVar never;
    const auto start = std::chrono::steady_clock::now();
    while (true) {
      {
        const auto pause = shown_ && !screen_.is_terminal() ? std::chrono::seconds(10) : kQuietFor;
        const MutexLock lock(mutex);
        never.wait_for(mutex, stop, pause, [] { return false; });
      }
      if (stop.stop_requested()) return;
      const auto seconds =
          std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start).count();
      const std::string text = absl::StrCat(what_, " … ", seconds, " s");
      screen_.Write(screen_.is_terminal() ? absl::StrCat("\r", text, "\x1b[K") : absl::StrCat(text, "\n"));
      shown_ = true;
    }
  }

  Screen& screen_;
  const std::string what_;
  // Of the thread, until it is joined.
  bool shown_ = false;
  std::jthread thread_;
};

// The words of the fetch are an agent's; here it is the caller who fetches.
absl::Status InOwnWords(const absl::Status& status) {
  const std::string message =
      absl::StrReplaceAll(status.message(), {{"the build host may not read it", "this host may not read it"},
                                             {"; give the agent's user access", ""}});
  // "Unavailable" is the master's.
  if (absl::IsUnavailable(status)) return absl::InternalError(message);
  return absl::Status(status.code(), message);
}

absl::StatusOr<FetchedSource> Fetch(Session& session, const GitSource& source, const fs::path& into) {
  std::stop_source stop;
  Interrupts interrupts;
  interrupts.SetHandler([&stop](Interrupts::Kind) { stop.request_stop(); });
  const Waiting waiting(session.error, absl::StrCat("Fetching ", Printable(source.url)));
  const OutputSink quiet = [](OutputStream, absl::string_view) {};
  return FetchSource(source, into, quiet, Deadline::In(kLongestFetch), stop.get_token());
}

// The branch that a local repository has checked out; empty when that cannot be told.
std::string CheckedOutBranch(const fs::path& folder) {
  SubprocessSpec git;
  git.argv = {"git", "-C", folder.string(), "symbolic-ref", "--quiet", "--short", "HEAD"};
  const auto result = RunSubprocess(git, Deadline::In(absl::Seconds(30)), {});
  if (!result.ok() || !result->ok()) return "";
  return std::string(absl::StripAsciiWhitespace(result->output));
}

absl::StatusOr<OpenedSpecification> OpenFolder(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat("check specification: no such folder: ", folder.string(),
                                            ": give a folder, or a git URL with '#branch'"));
  }
  OpenedSpecification opened;
  opened.folder = folder;
  opened.branch = CheckedOutBranch(folder);
  return opened;
}

}  // namespace

absl::StatusOr<OpenedSpecification> OpenSpecification(Session& session, const std::string& given,
                                                      const std::string& path) {
  std::error_code error;
  // A folder may have a '#' in its name.
  if (!IsRemoteUrl(given) && (given.find('#') == std::string::npos || fs::is_directory(given, error))) {
    const fs::path top = given.empty() ? "." : given;
    return OpenFolder(path.empty() ? top : top / path);
  }
  const size_t hash = given.find('#');
  GitSource source;
  source.url = given.substr(0, hash);
  if (hash != std::string::npos) source.ref = given.substr(hash + 1);
  source.path = path;
  if (!IsRemoteUrl(source.url)) {
    const auto local = FindRepository(source.url.empty() ? "." : source.url);
    if (!local.ok()) {
      return absl::Status(local.status().code(),
                          absl::StrCat("check specification: no local git repository: ", source.url,
                                       ": give a folder, or a git URL with '#branch'"));
    }
    source.url = local->repository.string();
    source.path = (fs::path(local->path) / path).string();
  }
  RW_ASSIGN_OR_RETURN(ScopedFolder temporary,
                      ScopedFolder::Create(fs::temp_directory_path(error), "rootwright-spec-"));
  const auto fetched = Fetch(session, source, temporary.path() / "source");
  if (!fetched.ok()) return Annotate(InOwnWords(fetched.status()), "check specification");
  OpenedSpecification opened;
  opened.folder = fetched->folder;
  opened.branch = source.ref;
  opened.branch_was_asked = !source.ref.empty();
  opened.fetched = std::move(temporary);
  return opened;
}

}  // namespace rootwright::cli
