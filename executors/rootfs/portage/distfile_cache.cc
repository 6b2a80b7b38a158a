#include "executors/rootfs/portage/distfile_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "executors/rootfs/portage/stream_digests.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

// curl's exit codes (curl(1), EXIT CODES).
constexpr int kNoSuchFile = 22;  // HTTP says 400 or above
constexpr int kFtpNoSuchFile = 78;
constexpr int kCannotResume = 33;

// Its name in the cache.
std::string KeyOf(const Distfile& file) {
  // The map is sorted; any of them names the content.
  const auto& [algorithm, digest] = *file.digests.rbegin();
  return absl::StrCat(absl::AsciiStrToLower(algorithm), "-", digest);
}

std::vector<std::string> CurlArguments(const std::string& url, int64_t resume_at) {
  std::vector<std::string> argv = {"curl",
                                   "--disable",
                                   "--globoff",
                                   "--fail",
                                   "--silent",
                                   "--show-error",
                                   "--location",
                                   "--max-redirs",
                                   "10",
                                   "--proto",
                                   "=http,https,ftp",
                                   "--proto-redir",
                                   "=http,https",
                                   "--connect-timeout",
                                   "30",
                                   "--speed-limit",
                                   "1",
                                   "--speed-time",
                                   "60"};
  if (resume_at > 0) argv.insert(argv.end(), {"--continue-at", std::to_string(resume_at)});
  argv.insert(argv.end(), {"--", url});
  return argv;
}

absl::StatusOr<UniqueFd> Lock(const fs::path& path, Deadline deadline, const std::stop_token& stop) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return ErrnoStatus(errno, "open the lock", path.string());
  while (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, "lock", path.string());
    if (deadline.Passed())
      return absl::DeadlineExceededError(absl::StrCat("lock: ", path.string(), ": another build holds it"));
    RW_RETURN_IF_ERROR(SleepFor(absl::Milliseconds(100), stop));
  }
  return fd;
}

// What one address came to.
struct Attempt {
  absl::Status status;
  bool missing = false;
};

Attempt Download(const Distfile& file, const std::string& url, const fs::path& partial, int64_t resume_at,
                 const DistfileCache::Progress& progress, Deadline deadline, std::stop_token stop) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (resume_at > 0 ? O_APPEND : O_TRUNC);
  const UniqueFd out(open(partial.c_str(), flags, 0600));
  if (!out) return {ErrnoStatus(errno, "open", partial.string())};
  int64_t bytes = resume_at;
  absl::Status written;
  // Ends curl when the file grows beyond what it may be, or when it cannot be kept.
  std::stop_source enough;
  const std::stop_callback forward(stop, [&] { enough.request_stop(); });
  SubprocessSpec spec;
  spec.argv = CurlArguments(url, resume_at);
  spec.on_stdout = [&](absl::string_view data) {
    if (!written.ok()) return;
    bytes += static_cast<int64_t>(data.size());
    written = bytes > file.size_bytes ? absl::DataLossError(absl::StrCat("more than the ", file.size_bytes,
                                                                         " bytes of the Manifest came"))
                                      : WriteAll(out.get(), data, partial);
    if (!written.ok()) enough.request_stop();
    if (written.ok() && progress) progress(bytes);
  };
  const absl::StatusOr<SubprocessResult> result = RunSubprocess(spec, deadline, enough.get_token());
  if (!written.ok()) {
    // What came is not this file, or does not fit: begin anew another time.
    if (absl::IsDataLoss(written) && ftruncate(out.get(), 0) != 0)
      return {ErrnoStatus(errno, "truncate", partial.string())};
    return {written};
  }
  if (!result.ok()) return {result.status()};
  if (result->ok()) return {};
  if (result->exit_code == kCannotResume && resume_at > 0)
    return Download(file, url, partial, 0, progress, deadline, stop);
  const std::vector<absl::string_view> lines =
      absl::StrSplit(absl::StripAsciiWhitespace(result->error_output), '\n');
  const std::string why =
      lines.back().empty() ? absl::StrCat("curl ended with ", result->exit_code) : std::string(lines.back());
  return {absl::UnavailableError(why),
          result->exit_code == kNoSuchFile || result->exit_code == kFtpNoSuchFile};
}

// Ours to put right: no other address would help.
bool IsHostsOwn(const absl::Status& status) {
  return !status.ok() && !absl::IsDataLoss(status) && !absl::IsUnavailable(status);
}

}  // namespace

absl::Status VerifyDistfile(const fs::path& path, const Distfile& file) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", path.string());
  std::vector<std::string> algorithms;
  for (const auto& [algorithm, digest] : file.digests) algorithms.push_back(algorithm);
  StreamDigests digests(algorithms);
  std::vector<char> buffer(1 << 20);
  int64_t size = 0;
  for (;;) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "read", path.string());
    if (got == 0) break;
    size += got;
    digests.Update(absl::string_view(buffer.data(), static_cast<size_t>(got)));
  }
  if (size != file.size_bytes)
    return absl::DataLossError(absl::StrCat("it has ", size, " bytes, the Manifest says ", file.size_bytes));
  for (const auto& [algorithm, found] : digests.Finish()) {
    const std::string& wanted = file.digests.at(algorithm);
    if (found != wanted)
      return absl::DataLossError(
          absl::StrCat("its ", algorithm, " is ", found, ", the Manifest says ", wanted));
  }
  return absl::OkStatus();
}

DistfileCache::DistfileCache(fs::path folder) : folder_(std::move(folder)) {}

absl::StatusOr<fs::path> DistfileCache::Get(const Distfile& file, const Progress& progress, Deadline deadline,
                                            std::stop_token stop) const {
  RW_RETURN_IF_ERROR(CheckDistfile(file));
  const fs::path whole = folder_ / "files" / KeyOf(file);
  const fs::path partial = folder_ / "partial" / KeyOf(file);
  RW_RETURN_IF_ERROR(MakeFolders(whole.parent_path()));
  RW_RETURN_IF_ERROR(MakeFolders(partial.parent_path()));
  std::error_code error;
  if (fs::exists(whole, error)) {
    // A file that the disk spoilt is fetched anew.
    if (VerifyDistfile(whole, file).ok()) return whole;
    fs::remove(whole, error);
  }
  RW_ASSIGN_OR_RETURN(const UniqueFd lock, Lock(partial.string() + ".lock", deadline, stop));
  if (fs::exists(whole, error) && VerifyDistfile(whole, file).ok()) return whole;
  RW_RETURN_IF_ERROR(Fetch(file, partial, progress, deadline, stop));
  if (chmod(partial.c_str(), 0444) != 0) return ErrnoStatus(errno, "set the mode of", partial.string());
  fs::rename(partial, whole, error);
  if (error) return ErrnoStatus(error.value(), "rename", partial.string());
  RW_RETURN_IF_ERROR(SyncFolder(whole.parent_path()));
  return whole;
}

absl::Status DistfileCache::Fetch(const Distfile& file, const fs::path& partial, const Progress& progress,
                                  Deadline deadline, std::stop_token stop) const {
  std::vector<std::string> attempts;
  bool all_missing = true;
  bool damaged = false;
  for (const std::string& url : file.urls) {
    std::error_code error;
    const auto have = fs::file_size(partial, error);
    const int64_t resume_at =
        error || static_cast<int64_t>(have) > file.size_bytes ? 0 : static_cast<int64_t>(have);
    // What is whole already needs no more bytes, only the check.
    Attempt attempt;
    if (resume_at < file.size_bytes || resume_at == 0)
      attempt = Download(file, url, partial, resume_at, progress, deadline, stop);
    if (absl::IsCancelled(attempt.status) || IsHostsOwn(attempt.status))
      return Annotate(attempt.status, absl::StrCat("fetch ", file.name));
    if (attempt.status.ok()) {
      attempt.status = VerifyDistfile(partial, file);
      if (attempt.status.ok()) return absl::OkStatus();
      fs::remove(partial, error);
    }
    all_missing = all_missing && attempt.missing;
    damaged = damaged || absl::IsDataLoss(attempt.status);
    attempts.push_back(absl::StrCat(HostOfUrl(url), ": ", url, ": ", std::string(attempt.status.message())));
  }
  std::string message =
      absl::StrCat("source file of ", file.package, ": ", file.name, ": ", absl::StrJoin(attempts, "; "));
  // So that it can be looked for elsewhere.
  const auto& [algorithm, digest] = *file.digests.rbegin();
  if (!absl::StrContains(message, digest))
    absl::StrAppend(&message, "; the Manifest says ", algorithm, " ", digest);
  if (damaged) return absl::DataLossError(message);
  return all_missing ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

absl::Status DistfileCache::MakeDistdir(const std::vector<Distfile>& files, const fs::path& folder,
                                        const DistdirProgress& progress, Deadline deadline,
                                        std::stop_token stop) const {
  RW_RETURN_IF_ERROR(MakeFolders(folder));
  int64_t before = 0;
  for (const Distfile& file : files) {
    const Progress of_file = [&](int64_t bytes) {
      if (progress) progress(before + bytes, file);
    };
    of_file(0);
    RW_ASSIGN_OR_RETURN(const fs::path source, Get(file, of_file, deadline, stop));
    before += file.size_bytes;
    const fs::path target = folder / file.name;
    std::error_code error;
    fs::remove(target, error);
    fs::create_hard_link(source, target, error);
    if (error) fs::copy_file(source, target, fs::copy_options::overwrite_existing, error);
    if (error) return ErrnoStatus(error.value(), "put a source file into", target.string());
  }
  return absl::OkStatus();
}

}  // namespace rootwright
