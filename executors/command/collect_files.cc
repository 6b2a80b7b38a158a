#include <fcntl.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/size_text.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "executors/command/command_steps.h"

namespace rootwright {
namespace {

class CollectFiles : public Step {
 public:
  explicit CollectFiles(CommandState& state) : state_(state) {}
  std::string name() const override { return "collect_files"; }
  Place place() const override { return Place::kEnvironment; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    RW_RETURN_IF_ERROR(MakeFolders(state_.artifact_folder()));
    state_.artifacts.clear();
    for (const std::string& wanted : state_.request.collect) {
      RW_ASSIGN_OR_RETURN(const StepResult one, Collect(wanted, context));
      if (one.ok()) continue;
      // Some of the files are not a result.
      state_.artifacts.clear();
      std::error_code ignored;
      std::filesystem::remove_all(state_.artifact_folder(), ignored);
      return one;
    }
    return StepResult{};
  }

 private:
  absl::StatusOr<StepResult> Collect(const std::string& wanted, StepContext& context) {
    const std::string path =
        absl::StartsWith(wanted, "/") ? wanted : absl::StrCat(state_.working_directory(), "/", wanted);
    const std::string name = std::filesystem::path(path).filename().string();
    for (const ArtifactFile& other : state_.artifacts) {
      if (other.name == name) {
        return StepResult::Failed(absl::StrCat(wanted, ": another file is called ", name, ", too"));
      }
    }
    ArtifactFile artifact{name, state_.artifact_folder() / name, 0, "", "application/octet-stream"};
    const int64_t most = state_.request.environment.disk_bytes;
    const absl::Status taken = TakeOut(path, most, context, artifact);
    const auto fail = [&](absl::string_view why) {
      return StepResult::Failed(absl::StrCat(wanted, ": ", why));
    };
    if (absl::IsNotFound(taken)) return fail("the command did not make it");
    if (absl::IsInvalidArgument(taken)) return fail("not a file");
    if (absl::IsResourceExhausted(taken) && FaultOf(taken, Fault::kGuest) == Fault::kGuest) {
      return fail(absl::StrCat("larger than the build's disk limit of ", SizeText(most)));
    }
    RW_RETURN_IF_ERROR(taken);
    context.reporter.Log(OutputStream::kStdout, absl::StrCat(artifact.sha256, "  ", name, "\n"));
    state_.artifacts.push_back(std::move(artifact));
    return StepResult{};
  }

  // Sets size and digest, too.
  absl::Status TakeOut(const std::string& path, int64_t most, StepContext& context, ArtifactFile& artifact) {
    const UniqueFd file(open(artifact.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file) return ErrnoStatus(errno, "create", artifact.path.string());
    Sha256 digest;
    RW_RETURN_IF_ERROR(state_.preparation.environment->GetFile(
        path, most,
        [&](absl::string_view piece) {
          digest.Update(piece);
          artifact.size_bytes += static_cast<int64_t>(piece.size());
          context.reporter.Progress(
              {artifact.size_bytes, 0, "copying", artifact.name, ProgressUpdate::Unit::kBytes});
          return WithFault(WriteAll(file.get(), piece, artifact.path), Fault::kHost);
        },
        context.deadline, context.stop));
    artifact.sha256 = digest.Digest();
    return absl::OkStatus();
  }

  CommandState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeCollectFiles(CommandState& state) { return std::make_unique<CollectFiles>(state); }

}  // namespace rootwright
