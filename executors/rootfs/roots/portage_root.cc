#include "executors/rootfs/roots/portage_root.h"

#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "archive/jailed_changes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/subprocess.h"
#include "executors/rootfs/apt/installed_packages.h"
#include "executors/rootfs/roots/root_recipe.h"
#include "executors/step.h"

namespace rootwright {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kGitLimit = absl::Seconds(30);
constexpr absl::Duration kUnpackLimit = absl::Minutes(30);
// What an environment that did its work has for its own end.
constexpr absl::Duration kOrderlyEnd = absl::Seconds(3);
// As agent/journal/paths.h bounds the ids of builds: this one goes into a domain's name, too.
constexpr size_t kLongestId = 64;
constexpr char kIdEnd[] = "-root";
constexpr size_t kSha256Digits = 64;

absl::Status NoSpecification(const fs::path& folder, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("the specification of the Portage image: ", folder.string(), ": ", why,
                   "; make it with images/portage/make-specification, and name its folder as "
                   "portage_specification in the agent's configuration"));
}

// Hands on what the steps of the inner routine tell.
class InnerReporter : public StepReporter {
 public:
  InnerReporter(std::string name, const ProgressSink& progress, const OutputSink& log)
      : name_(std::move(name)), progress_(progress), log_(log) {}

  void StartStep(const std::string& step, int number, int count) {
    step_ = step;
    Say(absl::StrCat(name_, ": ", step, " (", number, " of ", count, ")"));
    if (progress_) progress_({.done = number, .total = count, .phase = "making " + name_, .item = step});
  }
  void Say(absl::string_view line) {
    if (log_) log_(OutputStream::kStdout, absl::StrCat(line, "\n"));
  }

  void Log(OutputStream stream, absl::string_view data) override {
    if (log_) log_(stream, data);
  }
  void Progress(const ProgressUpdate& update) override {
    ProgressUpdate outer = update;
    outer.phase = absl::StrCat(name_, ": ", step_, update.phase.empty() ? "" : ": ", update.phase);
    if (progress_) progress_(outer);
  }
  void Warn(absl::string_view message) override { Say(absl::StrCat("warning: ", message)); }
  void SourceResolved(absl::string_view, absl::Time) override {}
  void PlanReady(const PlanSize&) override {}

 private:
  const std::string name_;
  const ProgressSink& progress_;
  const OutputSink& log_;
  std::string step_;
};

absl::Status RunStep(Step& step, StepContext& context) {
  RW_ASSIGN_OR_RETURN(const bool done, step.Check(context));
  StepResult result;
  if (!done) {
    RW_ASSIGN_OR_RETURN(result, step.Apply(context));
  }
  if (result.ok()) {
    RW_ASSIGN_OR_RETURN(result, step.Verify(context));
  }
  if (result.ok()) return absl::OkStatus();
  // Of our own specification: no user did this.
  return absl::InternalError(result.failure);
}

absl::Status RunSteps(Routine& routine, InnerReporter& reporter, const std::stop_token& stop) {
  StepContext context{reporter, Deadline::Never(), stop};
  int number = 0;
  // By index: a routine may exchange steps that are still to come.
  for (size_t i = 0; i < routine.steps().size(); ++i) {
    Step& step = *routine.steps()[i];
    if (stop.stop_requested()) return absl::CancelledError("stopped");
    reporter.StartStep(step.name(), ++number, static_cast<int>(routine.steps().size()));
    const std::string name = step.name();
    const Instant start = Clock::Real().Now();
    RW_RETURN_IF_ERROR(Annotate(RunStep(step, context), name));
    routine.StepEnded(name, Since(start, Clock::Real().Now()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PortageSpecification> ReadPortageSpecification(const fs::path& folder, std::stop_token stop) {
  PortageSpecification specification;
  specification.folder = folder;
  const absl::StatusOr<std::string> versions = ReadFile(folder / "portage.txt");
  if (!versions.ok()) return NoSpecification(folder, "not there");
  const size_t at = versions->find("sha256:");
  if (at != std::string::npos) {
    absl::string_view digest = *versions;
    digest = digest.substr(at + 7, kSha256Digits);
    if (digest.size() == kSha256Digits) specification.archive_sha256 = std::string(digest);
  }
  if (specification.archive_sha256.empty()) return NoSpecification(folder, "portage.txt names no archive");
  SubprocessSpec git;
  // Whoever owns it: nothing of it runs on the host.
  git.argv = {
      "git",       "-c",       "safe.directory=*", absl::StrCat("--git-dir=", (folder / ".git").string()),
      "rev-parse", "--verify", "--quiet",          "HEAD"};
  const absl::StatusOr<SubprocessResult> head = RunSubprocess(git, Deadline::In(kGitLimit), std::move(stop));
  RW_RETURN_IF_ERROR(head.status());
  specification.commit = std::string(absl::StripAsciiWhitespace(head->output));
  if (!head->ok() || specification.commit.size() < 40) return NoSpecification(folder, "not a git repository");
  return specification;
}

bool HasPortageSpecification(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "portage.txt", ignored) && fs::exists(folder / ".git", ignored);
}

PortageRootMaker::PortageRootMaker(const RootfsHost& host, Executor& executor, const EnvironmentSpec& waiting,
                                   absl::Duration boot_limit)
    : host_(host),
      executor_(executor),
      environment_(waiting),
      boot_limit_(boot_limit),
      name_(OwnRootName(waiting.architecture)) {
  environment_.build_id = waiting.build_id.substr(0, kLongestId - std::string(kIdEnd).size()) + kIdEnd;
  environment_.work_folder = waiting.work_folder / "build-root";
}

absl::StatusOr<fs::path> PortageRootMaker::BuildArchive(const PortageSpecification& specification,
                                                        const ProgressSink& progress, const OutputSink& log,
                                                        const std::stop_token& stop) {
  const fs::path own = environment_.private_folder();
  RW_RETURN_IF_ERROR(MakeFolders(own));
  if (chmod(own.c_str(), 0700) != 0) return ErrnoStatus(errno, "set the mode of", own.string());
  RootfsRequest request;
  request.environment = environment_;
  request.boot_limit = boot_limit_;
  request.source = {.url = specification.folder.string(), .ref = specification.commit, .path = ""};
  request.outputs = {PackFormat::kTar};
  RW_ASSIGN_OR_RETURN(const std::unique_ptr<Routine> routine, MakeRootfsRoutine(request, host_, executor_));
  InnerReporter reporter(name_, progress, log);
  absl::Status status = RunSteps(*routine, reporter, stop);
  const absl::Status ended = routine->EndEnvironment(status.ok() ? kOrderlyEnd : absl::ZeroDuration());
  if (!ended.ok()) reporter.Warn(absl::StrCat("end the environment: ", ended.message()));
  RW_RETURN_IF_ERROR(status);
  for (const ArtifactFile& artifact : routine->artifacts())
    if (artifact.name == "rootfs.tar") return artifact.path;
  return absl::InternalError("pack_rootfs: there is no rootfs.tar");
}

absl::StatusOr<ImageDescription> PortageRootMaker::Make(const PortageSpecification& specification,
                                                        const fs::path& tree, const ProgressSink& progress,
                                                        const OutputSink& log, std::stop_token stop) {
  // Gone when it is made, and when it is not.
  struct Cleaner {
    const fs::path folder;
    ~Cleaner() {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
    }
  } const cleaner{environment_.work_folder};
  const absl::StatusOr<fs::path> archive = BuildArchive(specification, progress, log, stop);
  RW_RETURN_IF_ERROR(Annotate(archive.status(), absl::StrCat("make build root ", name_)));
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(*archive, error));
  const auto at = [&](int64_t bytes) {
    if (progress) progress({bytes, size, "making " + name_, "unpack", ProgressUpdate::Unit::kBytes});
  };
  OverlayLimits limits;
  limits.content_bytes = environment_.disk_bytes;
  RW_RETURN_IF_ERROR(UnpackTreeInJail(host_.programs / "rootwright-apply", *archive, tree, limits, at,
                                      Deadline::In(kUnpackLimit), std::move(stop))
                         .status());
  RW_ASSIGN_OR_RETURN(const std::vector<InstalledPackage> packages, ReadDpkgStatus(tree));
  ImageDescription description;
  for (const InstalledPackage& package : packages)
    description.packages.push_back({package.name, package.version, package.architecture});
  return description;
}

}  // namespace rootwright
