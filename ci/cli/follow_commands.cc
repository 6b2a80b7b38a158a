#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/size_text.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "ci/cli/download.h"
#include "ci/cli/follow.h"
#include "ci/cli/json_line.h"
#include "ci/cli/master_client.h"
#include "ci/cli/session.h"
#include "ci/cli/submit_request.h"
#include "ci/cli/units.h"

// `build submit`, `build watch` and `artifact get`: what stays until something is done.
namespace rootwright::cli {
namespace {

constexpr size_t kTailLines = 15;
constexpr int64_t kTailBytes = 16 << 10;

absl::StatusOr<absl::Duration> ReconnectTime(const Session& session) {
  return ParseTimeSpan(session.arguments.Get("reconnect-for", "10m"));
}

// One folder for each build, so that a second build does not write over the first.
std::filesystem::path FolderOfBuild(const Session& session, const std::string& build_id) {
  return std::filesystem::path(session.arguments.Get("output", "./out")) / build_id;
}

// The default folder lies where the user is, maybe in a repository of specifications: it keeps itself out of
// that.
absl::Status MakeDefaultOutput(const Session& session) {
  std::error_code error;
  if (session.arguments.Has("output") || std::filesystem::exists("out", error)) return absl::OkStatus();
  RW_RETURN_IF_ERROR(MakeFolders("out"));
  return WriteFileAtomically("out/.gitignore", "*\n");
}

// The end of the failing step's log; nothing when that cannot be had.
std::vector<std::string> FailureTail(BuildClient& client, const v1::Build& build) {
  for (const v1::StepSummary& step : build.steps()) {
    if (step.state() != v1::STEP_STATE_FAILED) continue;
    v1::ReadLogRequest request;
    request.set_build_id(build.id());
    request.set_step(step.name());
    request.set_offset(std::max<int64_t>(0, step.log_bytes() - kTailBytes));
    std::string log;
    const absl::Status read = client.ReadLog(request, {}, [&log](const v1::ReadLogResponse& part) {
      log.append(part.data());
      return absl::OkStatus();
    });
    return read.ok() ? TailOf(log, kTailLines) : std::vector<std::string>();
  }
  return {};
}

enum class Fetch { kArtifacts, kNothing };

absl::StatusOr<ExitCode> FollowToTheEnd(Session& session, BuildClient& client, Interrupts& interrupts,
                                        const v1::Build& build, Fetch fetch) {
  FollowOptions options;
  options.stream.build_id = build.id();
  const bool log = session.arguments.Has("log");
  if (log || session.json) options.stream.log_chunks = StreamOptions::LogChunks::kInclude;
  RW_ASSIGN_OR_RETURN(options.stream.reconnect_for, ReconnectTime(session));
  using Format = Presentation::Format;
  const Format format = session.json                        ? Format::kJson
                        : session.out.is_terminal() && !log ? Format::kLive
                                                            : Format::kPlain;
  const auto presenter = MakePresenter({session.out, session.error, session.clock, session.zone, format,
                                        log ? LogLines::kShow : LogLines::kHide});
  v1::WatchBuildResponse first;
  *first.mutable_build() = build;
  presenter->Show(first);
  presenter->Refresh(std::chrono::steady_clock::now());
  RW_ASSIGN_OR_RETURN(v1::Build end, FollowBuild(client, *presenter, interrupts, options));

  Ending ending{std::move(end), {}, {}};
  ending.log_tail = FailureTail(client, ending.build);
  interrupts.SetHandler(nullptr);  // from here on Ctrl-C simply leaves
  if (fetch == Fetch::kArtifacts && ending.build.outcome() == v1::OUTCOME_SUCCEEDED) {
    RW_RETURN_IF_ERROR(MakeDefaultOutput(session));
    DownloadOptions download{ending.build.id(), FolderOfBuild(session, ending.build.id()),
                             options.stream.reconnect_for};
    for (const v1::Artifact& artifact : ending.build.artifacts()) {
      RW_ASSIGN_OR_RETURN(const auto path, DownloadArtifact(client, artifact, download, {}));
      ending.files[artifact.name()] = path.string();
    }
  }
  presenter->End(ending);
  return ExitCodeOf(ending.build.outcome());
}

// What is built is what was committed: says so when that is not all there is.
void WarnOfUncommitted(Session& session, const v1::GitSource& source) {
  if (source.url().empty() || IsRemoteUrl(source.url())) return;
  SubprocessSpec git;
  git.argv = {
      "git", "-C", source.url(), "status", "--porcelain", "--", source.path().empty() ? "." : source.path()};
  const auto result = RunSubprocess(git, Deadline::In(absl::Seconds(2)), {});
  if (result.ok() && result->ok() && !result->output.empty()) {
    session.error.Write(absl::StrCat("! there are changes in ", source.url(),
                                     " that are not committed; they are not built\n"));
  }
}

}  // namespace

absl::StatusOr<ExitCode> BuildSubmit(Session& session) {
  if (session.arguments.Has("detach") && session.arguments.Has("follow")) {
    return absl::InvalidArgumentError("build submit: --follow and --detach exclude each other");
  }
  RW_ASSIGN_OR_RETURN(const v1::SubmitBuildRequest request,
                      MakeSubmitRequest(session.arguments, std::filesystem::current_path()));
  RW_RETURN_IF_ERROR(ReconnectTime(session).status());
  if (request.request().source().ref().empty()) WarnOfUncommitted(session, request.request().source());
  Interrupts interrupts;  // before the first thread of gRPC
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::SubmitBuildResponse answer, client.Submit(request));
  if (session.arguments.Has("detach")) {
    session.out.Write(session.json ? JsonLine(answer) : answer.build().id() + "\n");
    return ExitCode::kOk;
  }
  if (answer.already_submitted()) {
    session.error.Write(absl::StrCat("Build ", answer.build().id(), " was submitted before with this key\n"));
  }
  return FollowToTheEnd(session, client, interrupts, answer.build(),
                        session.arguments.Has("no-download") ? Fetch::kNothing : Fetch::kArtifacts);
}

absl::StatusOr<ExitCode> BuildWatch(Session& session) {
  Interrupts interrupts;
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(v1::Build build, client.Get(session.arguments.Operand(0)));
  build.clear_steps();
  build.clear_artifacts();
  const bool fetch = session.arguments.Has("download") || session.arguments.Has("output");
  return FollowToTheEnd(session, client, interrupts, build, fetch ? Fetch::kArtifacts : Fetch::kNothing);
}

absl::StatusOr<ExitCode> ArtifactGet(Session& session) {
  RW_ASSIGN_OR_RETURN(const auto channel, DialMaster(session.master));
  BuildClient client(channel, session.master);
  RW_ASSIGN_OR_RETURN(const v1::Build build, client.Get(session.arguments.Operand(0)));
  RW_ASSIGN_OR_RETURN(const v1::ListArtifactsResponse list, client.ListArtifacts(build.id()));
  DownloadOptions options{build.id(), session.arguments.Has("output")
                                          ? std::filesystem::path(session.arguments.Get("output"))
                                          : FolderOfBuild(session, build.id())};
  RW_ASSIGN_OR_RETURN(options.reconnect_for, ReconnectTime(session));
  if (session.error.is_terminal() && !session.json) {
    options.on_progress = [&](const v1::Artifact& artifact, int64_t bytes) {
      session.error.Write(absl::StrCat("\r  ", artifact.name(), "  ", SizeText(bytes), " of ",
                                       SizeText(artifact.size_bytes()), "\x1b[K",
                                       bytes == artifact.size_bytes() ? "\r\x1b[K" : ""));
    };
  }
  const std::string wanted = session.arguments.Operand(1);
  int fetched = 0;
  for (const v1::Artifact& artifact : list.artifacts()) {
    if (!wanted.empty() && artifact.name() != wanted) continue;
    RW_RETURN_IF_ERROR(MakeDefaultOutput(session));
    RW_ASSIGN_OR_RETURN(const auto path, DownloadArtifact(client, artifact, options, {}));
    ++fetched;
    if (session.json) {
      nlohmann::ordered_json line;
      line["downloaded"] = {{"name", artifact.name()}, {"path", path.string()}};
      session.out.Write(line.dump() + "\n");
    } else {
      session.out.Write(absl::StrCat(path.string(), "  ", SizeText(artifact.size_bytes()),
                                     "  sha256:", artifact.sha256(), "\n"));
    }
  }
  if (fetched > 0) return ExitCode::kOk;
  if (!wanted.empty()) {
    return absl::NotFoundError(absl::StrCat("fetch artifact: ", wanted, ": build ", build.id(),
                                            " has no such artifact (rootwright artifact list ", build.id(),
                                            ")"));
  }
  return absl::NotFoundError(absl::StrCat("fetch artifacts: build ", build.id(),
                                          " has none (rootwright build show ", build.id(), ")"));
}

}  // namespace rootwright::cli
