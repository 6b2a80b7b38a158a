#include "ci/master/artifact_intake.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ci/master/turn.h"

namespace rootwright::master {
namespace {

constexpr absl::Duration kDurableWithin = absl::Seconds(20);

absl::Status NotTheSenders(const std::string& build_id) {
  return absl::PermissionDeniedError(
      absl::StrCat("artifact: build ", build_id, ": the lease is not in force"));
}

}  // namespace

absl::Status ArtifactIntake::CheckLease(const std::string& build_id, const std::string& lease_id) {
  Turn turn(farm_);
  const ActiveBuild* build = turn.Find(build_id);
  if (build == nullptr || lease_id.empty() || build->lease_id != lease_id) return NotTheSenders(build_id);
  return absl::OkStatus();
}

absl::Status ArtifactIntake::Record(const std::string& build_id, const std::string& lease_id,
                                    const v1::Artifact& artifact) {
  {
    Turn turn(farm_);
    ActiveBuild* build = turn.Find(build_id);
    if (build == nullptr || build->lease_id != lease_id) return NotTheSenders(build_id);
    v1::Artifact* place = nullptr;
    for (v1::Artifact& known : *build->tracker.mutable_build().mutable_artifacts()) {
      if (known.name() == artifact.name()) place = &known;
    }
    if (place == nullptr) place = build->tracker.mutable_build().add_artifacts();
    *place = artifact;
    turn.Save(*build, Committer::Urgency::kNow);
  }
  return farm_.committer.Flush(Deadline::In(kDurableWithin));
}

absl::StatusOr<v1::QueryArtifactResponse> ArtifactIntake::Query(const v1::QueryArtifactRequest& request) {
  RW_RETURN_IF_ERROR(ArtifactStore::Check(request.artifact()));
  RW_RETURN_IF_ERROR(CheckLease(request.build_id(), request.lease_id()));
  v1::QueryArtifactResponse response;
  // Equal contents may have come with another build.
  if (artifacts_.Has(request.artifact())) {
    RW_RETURN_IF_ERROR(Record(request.build_id(), request.lease_id(), request.artifact()));
    response.set_complete(true);
  } else {
    // Before a byte of it is sent.
    RW_RETURN_IF_ERROR(artifacts_.Admit(request.build_id(), request.artifact()));
  }
  response.set_committed_bytes(artifacts_.Committed(request.build_id(), request.artifact()));
  return response;
}

absl::StatusOr<std::unique_ptr<ArtifactUpload>> ArtifactIntake::Begin(
    const v1::UploadArtifactRequest& first) {
  RW_RETURN_IF_ERROR(ArtifactStore::Check(first.artifact()));
  RW_RETURN_IF_ERROR(CheckLease(first.build_id(), first.lease_id()));
  return artifacts_.Open(first.build_id(), first.artifact());
}

absl::StatusOr<v1::UploadArtifactResponse> ArtifactIntake::End(const v1::UploadArtifactRequest& first,
                                                               ArtifactUpload& upload) {
  RW_RETURN_IF_ERROR(upload.Finish());
  RW_RETURN_IF_ERROR(Record(first.build_id(), first.lease_id(), first.artifact()));
  v1::UploadArtifactResponse response;
  response.set_committed_bytes(upload.committed());
  return response;
}

void ArtifactIntake::Tick() {
  artifacts_.RemoveParts([this](absl::string_view build_id) {
    Turn turn(farm_);
    return turn.Find(build_id) == nullptr;
  });
}

}  // namespace rootwright::master
