#include "ci/master/build_rpc.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ci/master/log_reader.h"
#include "ci/master/pumped_stream.h"
#include "ci/master/shell_stream.h"

namespace rootwright::master {
namespace {

constexpr int64_t kPieceBytes = 256 << 10;

// A stream that is pulled from a source, or that ends at once because there is none.
template <class Source, class Response>
class SourceStream final : public PumpedStream<grpc::ServerWriteReactor<Response>, Response> {
 public:
  void SetSource(absl::StatusOr<std::unique_ptr<Source>> source) { source_ = std::move(source); }

 private:
  absl::StatusOr<Supply> Next(Response* response) override {
    if (!source_.ok()) return source_.status();
    return (*source_)->Next(response);
  }

  absl::StatusOr<std::unique_ptr<Source>> source_;
};

using WatchStream = SourceStream<BuildWatcher, v1::WatchBuildResponse>;
using LogStream = SourceStream<LogReader, v1::ReadLogResponse>;

// The caller's end of a shell.
class CallingSide {
 public:
  explicit CallingSide(Shells& shells) : shells_(&shells) {}

  absl::Status Take(v1::RunShellRequest message, std::weak_ptr<Waker> stream) {
    if (relay_ == nullptr) {
      RW_ASSIGN_OR_RETURN(relay_, shells_->Open(message.start(), std::move(stream)));
      return absl::OkStatus();
    }
    if (message.input().data().size() > kShellBytes)
      return absl::InvalidArgumentError("shell: more than 64 KiB in one message");
    relay_->to_agent.Put(std::move(*message.mutable_input()));
    return absl::OkStatus();
  }
  bool WaitForRoom(std::function<void()> then) { return relay_->to_agent.WaitForRoom(std::move(then)); }
  absl::StatusOr<Supply> Next(v1::RunShellResponse* response) {
    return relay_->to_caller.Take(response->mutable_output());
  }
  void Gone() {
    if (relay_ != nullptr) relay_->CallerGone();
  }

 private:
  static constexpr size_t kShellBytes = 64 << 10;
  Shells* shells_;
  // Set by the first Take.
  std::shared_ptr<ShellRelay> relay_;
};

using CallingStream = ShellStream<CallingSide, v1::RunShellRequest, v1::RunShellResponse>;

}  // namespace

grpc::Status BuildRpc::ReleaseBuild(grpc::ServerContext* /*context*/, const v1::ReleaseBuildRequest* request,
                                    v1::ReleaseBuildResponse* response) {
  return Answer(builds_.Release(request->build_id()), response->mutable_build());
}

grpc::ServerBidiReactor<v1::RunShellRequest, v1::RunShellResponse>* BuildRpc::RunShell(
    grpc::CallbackServerContext* /*context*/) {
  auto stream = std::make_shared<CallingStream>(CallingSide(shells_));
  return CallingStream::Launch(stream, [&] { stream->ReadOn(); });
}

grpc::Status BuildRpc::SubmitBuild(grpc::ServerContext* /*context*/, const v1::SubmitBuildRequest* request,
                                   v1::SubmitBuildResponse* response) {
  return Answer(builds_.Submit(*request), response);
}

grpc::Status BuildRpc::GetBuild(grpc::ServerContext* /*context*/, const v1::GetBuildRequest* request,
                                v1::GetBuildResponse* response) {
  return Answer(builds_.Get(request->build_id()), response->mutable_build());
}

grpc::Status BuildRpc::ListBuilds(grpc::ServerContext* /*context*/, const v1::ListBuildsRequest* request,
                                  v1::ListBuildsResponse* response) {
  return Answer(builds_.List(*request), response);
}

grpc::ServerWriteReactor<v1::WatchBuildResponse>* BuildRpc::WatchBuild(
    grpc::CallbackServerContext* /*context*/, const v1::WatchBuildRequest* request) {
  auto stream = std::make_shared<WatchStream>();
  return WatchStream::Launch(stream, [&] { stream->SetSource(builds_.Watch(*request, stream)); });
}

grpc::ServerWriteReactor<v1::ReadLogResponse>* BuildRpc::ReadLog(grpc::CallbackServerContext* /*context*/,
                                                                 const v1::ReadLogRequest* request) {
  auto stream = std::make_shared<LogStream>();
  return LogStream::Launch(stream, [&] { stream->SetSource(LogReader::Open(builds_, *request, stream)); });
}

grpc::Status BuildRpc::CancelBuild(grpc::ServerContext* /*context*/, const v1::CancelBuildRequest* request,
                                   v1::CancelBuildResponse* response) {
  return Answer(builds_.Cancel(*request), response);
}

grpc::Status BuildRpc::ListArtifacts(grpc::ServerContext* /*context*/,
                                     const v1::ListArtifactsRequest* request,
                                     v1::ListArtifactsResponse* response) {
  auto build = builds_.Get(request->build_id());
  if (!build.ok()) return ToGrpc(build.status());
  response->mutable_artifacts()->Swap(build->mutable_artifacts());
  return grpc::Status::OK;
}

grpc::Status BuildRpc::ReadArtifact(grpc::ServerContext* /*context*/, const v1::ReadArtifactRequest* request,
                                    grpc::ServerWriter<v1::ReadArtifactResponse>* writer) {
  const auto build = builds_.Get(request->build_id());
  if (!build.ok()) return ToGrpc(build.status());
  const v1::Artifact* artifact = nullptr;
  for (const v1::Artifact& candidate : build->artifacts()) {
    if (candidate.name() == request->name()) artifact = &candidate;
  }
  if (artifact == nullptr) {
    return ToGrpc(absl::NotFoundError(
        absl::StrCat("read artifact: build ", build->id(), " has none named '", request->name(), "'")));
  }
  if (request->offset() < 0 || request->offset() > artifact->size_bytes()) {
    return ToGrpc(
        absl::OutOfRangeError(absl::StrCat("read artifact: offset ", request->offset(), ": ",
                                           artifact->name(), " has ", artifact->size_bytes(), " bytes")));
  }
  v1::ReadArtifactResponse response;
  for (int64_t offset = request->offset(); offset < artifact->size_bytes();) {
    auto data = artifacts_.Read(*artifact, offset, kPieceBytes);
    if (!data.ok()) return ToGrpc(data.status());
    if (data->empty())
      return ToGrpc(absl::DataLossError(absl::StrCat("read artifact: ", artifact->name(), ": is cut off")));
    response.set_offset(offset);
    offset += static_cast<int64_t>(data->size());
    response.set_data(*std::move(data));
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
  }
  return grpc::Status::OK;
}

}  // namespace rootwright::master
