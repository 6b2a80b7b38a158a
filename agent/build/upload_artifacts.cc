#include "agent/build/upload_artifacts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/size_text.h"
#include "base/status.h"

namespace rootwright {
namespace {

class UploadArtifacts : public Step {
 public:
  UploadArtifacts(const std::vector<ArtifactFile>& files, const v1::Lease& lease,
                  ArtifactPublisher& publisher, EventWriter& writer)
      : files_(files), lease_(lease), publisher_(publisher), writer_(writer) {}

  std::string name() const override { return "upload_artifacts"; }
  Place place() const override { return Place::kHost; }

  absl::StatusOr<StepResult> Apply(StepContext& context) override {
    int64_t bytes = 0;
    for (const ArtifactFile& file : files_) {
      const auto progress = [&](const ProgressUpdate& update) { context.reporter.Progress(update); };
      RW_RETURN_IF_ERROR(publisher_.Publish(lease_.build_id(), lease_.lease_id(), file, progress,
                                            context.deadline, context.stop));
      writer_.ArtifactReady(ToProto(file));
      bytes += file.size_bytes;
    }
    if (files_.empty()) return StepResult::Done("nothing to give back");
    return StepResult::Done(
        absl::StrCat(files_.size(), files_.size() == 1 ? " file, " : " files, ", SizeText(bytes)));
  }

 private:
  const std::vector<ArtifactFile>& files_;
  const v1::Lease& lease_;
  ArtifactPublisher& publisher_;
  EventWriter& writer_;
};

}  // namespace

v1::Artifact ToProto(const ArtifactFile& file) {
  v1::Artifact artifact;
  artifact.set_name(file.name);
  artifact.set_size_bytes(file.size_bytes);
  artifact.set_sha256(file.sha256);
  artifact.set_media_type(file.media_type);
  return artifact;
}

std::unique_ptr<Step> MakeUploadArtifacts(const std::vector<ArtifactFile>& files, const v1::Lease& lease,
                                          ArtifactPublisher& publisher, EventWriter& writer) {
  return std::make_unique<UploadArtifacts>(files, lease, publisher, writer);
}

}  // namespace rootwright
