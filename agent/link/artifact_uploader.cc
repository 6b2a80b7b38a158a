#include "agent/link/artifact_uploader.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/build/upload_artifacts.h"
#include "base/log.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "rootwright/v1/agent_link_service.grpc.pb.h"

namespace rootwright {
namespace {

// The contract's limit for a part.
constexpr size_t kPartBytes = 256 << 10;
// Longest silence of the master before a try is given up.
constexpr std::chrono::seconds kQueryLimit(30);
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(10);

// gRPC's codes are Abseil's.
absl::Status FromGrpc(const grpc::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      absl::StrCat(what, ": ", status.error_message()));
}

// What every message about one artifact says.
struct Subject {
  const std::string& build_id;
  const std::string& lease_id;
  v1::Artifact artifact;
};

// Cancels the call when a stop is asked for.
class CallStop {
 public:
  CallStop(grpc::ClientContext& context, std::stop_token stop)
      : callback_(std::move(stop), [&context] { context.TryCancel(); }) {}

 private:
  std::stop_callback<std::function<void()>> callback_;
};

absl::StatusOr<v1::QueryArtifactResponse> Query(v1::AgentLinkService::Stub& stub, const Subject& subject,
                                                const std::stop_token& stop) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kQueryLimit);
  const CallStop call_stop(context, stop);
  v1::QueryArtifactRequest request;
  request.set_build_id(subject.build_id);
  request.set_lease_id(subject.lease_id);
  *request.mutable_artifact() = subject.artifact;
  v1::QueryArtifactResponse response;
  RW_RETURN_IF_ERROR(FromGrpc(stub.QueryArtifact(&context, request, &response), "ask for artifact"));
  return response;
}

absl::Status Send(v1::AgentLinkService::Stub& stub, const Subject& subject, const ArtifactFile& file, int64_t offset,
                  const ProgressSink& progress, const std::stop_token& stop) {
  const UniqueFd fd(open(file.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return ErrnoStatus(errno, "open", file.path.string());
  grpc::ClientContext context;
  const CallStop call_stop(context, stop);
  v1::UploadArtifactResponse response;
  const auto writer = stub.UploadArtifact(&context, &response);
  v1::UploadArtifactRequest part;
  part.set_build_id(subject.build_id);
  part.set_lease_id(subject.lease_id);
  *part.mutable_artifact() = subject.artifact;
  std::string buffer;
  bool sending = true;
  // An empty artifact is one empty part.
  do {
    buffer.resize(static_cast<size_t>(std::min<int64_t>(kPartBytes, file.size_bytes - offset)));
    const ssize_t got = pread(fd.get(), buffer.data(), buffer.size(), offset);
    if (got != static_cast<ssize_t>(buffer.size())) {
      context.TryCancel();
      writer->Finish();
      return absl::DataLossError(absl::StrCat("send artifact: ", file.path.string(), ": became shorter than ", file.size_bytes, " bytes"));
    }
    part.set_offset(offset);
    part.set_data(buffer);
    sending = writer->Write(part);
    offset += got;
    part.clear_build_id();
    part.clear_lease_id();
    part.clear_artifact();
    progress({offset, file.size_bytes, "uploading", file.name});
  } while (sending && offset < file.size_bytes);
  writer->WritesDone();
  return FromGrpc(writer->Finish(), "send artifact");
}

// The connection's trouble, not the artifact's: worth another try.
bool Passing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsOutOfRange(status) ||
         absl::IsAborted(status) || absl::IsUnknown(status) || absl::IsInternal(status);
}

}  // namespace

absl::Status ArtifactUploader::Publish(const std::string& build_id, const std::string& lease_id,
                                       const ArtifactFile& file, const ProgressSink& progress, Deadline deadline,
                                       std::stop_token stop) {
  const std::unique_ptr<v1::AgentLinkService::Stub> stub = v1::AgentLinkService::NewStub(channel_);
  const Subject subject{build_id, lease_id, ToProto(file)};
  absl::Duration pause = kFirstPause;
  for (int damaged = 0;;) {
    absl::StatusOr<v1::QueryArtifactResponse> there = Query(*stub, subject, stop);
    absl::Status status = there.status();
    if (there.ok()) {
      if (there->complete()) return absl::OkStatus();
      status = Send(*stub, subject, file, there->committed_bytes(), progress, stop);
      if (status.ok()) return status;
    }
    if (stop.stop_requested()) return absl::CancelledError(absl::StrCat("send artifact: ", file.name, ": stopped"));
    // Damage on the way is mended by sending anew; twice means that the file itself is not what it should be.
    const bool again = Passing(status) || (absl::IsDataLoss(status) && ++damaged < 2);
    if (!again) return Annotate(status, file.name);
    if (deadline.Passed()) return absl::DeadlineExceededError(absl::StrCat("send artifact: ", file.name, ": ", std::string(status.message())));
    spdlog::warn("{}: {}; trying again", file.name, std::string(status.message()));
    RW_RETURN_IF_ERROR(SleepFor(std::min(pause, deadline.Left()), stop));
    pause = std::min(kLongestPause, pause * 2);
  }
}

}  // namespace rootwright
