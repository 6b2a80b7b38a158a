#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "executors/command/command_steps.h"

namespace rootwright {
namespace {

constexpr int64_t kLargestFile = 64 << 20;

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
        return StepResult::Failed(
            absl::StrCat("collect files: ", wanted, ": another file is called ", name, ", too"));
      }
    }
    const absl::StatusOr<std::string> content =
        state_.preparation.environment->GetFile(path, kLargestFile, context.deadline, context.stop);
    if (absl::IsNotFound(content.status())) {
      return StepResult::Failed(absl::StrCat("collect files: ", wanted, ": the command did not make it"));
    }
    if (absl::IsResourceExhausted(content.status())) {
      return StepResult::Failed(absl::StrCat("collect files: ", wanted, ": larger than 64 MiB"));
    }
    RW_RETURN_IF_ERROR(content.status());
    ArtifactFile artifact{name, state_.artifact_folder() / name, static_cast<int64_t>(content->size()),
                          Sha256::Of(*content), "application/octet-stream"};
    RW_RETURN_IF_ERROR(WriteFileAtomically(artifact.path, *content));
    context.reporter.Log(OutputStream::kStdout, absl::StrCat(artifact.sha256, "  ", name, "\n"));
    state_.artifacts.push_back(std::move(artifact));
    return StepResult{};
  }

  CommandState& state_;
};

}  // namespace

std::unique_ptr<Step> MakeCollectFiles(CommandState& state) { return std::make_unique<CollectFiles>(state); }

}  // namespace rootwright
