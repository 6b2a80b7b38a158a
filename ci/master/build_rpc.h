#pragma once

#include "ci/master/artifact_store.h"
#include "ci/master/shells.h"
#include "ci/master/submissions.h"
#include "rootwright/v1/build_service.grpc.pb.h"

namespace rootwright::master {

// BuildService on the wire: moves messages between calls and Submissions, decides nothing. Watching,
// following a log and shells are reactors, as there may be many for long; the other calls are short and have
// threads.
class BuildRpc final
    : public v1::BuildService::WithCallbackMethod_WatchBuild<v1::BuildService::WithCallbackMethod_ReadLog<
          v1::BuildService::WithCallbackMethod_RunShell<v1::BuildService::Service>>> {
 public:
  BuildRpc(Submissions& builds, ArtifactStore& artifacts, Shells& shells)
      : builds_(builds), artifacts_(artifacts), shells_(shells) {}

  grpc::Status SubmitBuild(grpc::ServerContext* context, const v1::SubmitBuildRequest* request,
                           v1::SubmitBuildResponse* response) override;
  grpc::Status GetBuild(grpc::ServerContext* context, const v1::GetBuildRequest* request,
                        v1::GetBuildResponse* response) override;
  grpc::Status ListBuilds(grpc::ServerContext* context, const v1::ListBuildsRequest* request,
                          v1::ListBuildsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchBuildResponse>* WatchBuild(grpc::CallbackServerContext* context,
                                                               const v1::WatchBuildRequest* request) override;
  grpc::ServerWriteReactor<v1::ReadLogResponse>* ReadLog(grpc::CallbackServerContext* context,
                                                         const v1::ReadLogRequest* request) override;
  grpc::Status CancelBuild(grpc::ServerContext* context, const v1::CancelBuildRequest* request,
                           v1::CancelBuildResponse* response) override;
  grpc::Status ReleaseBuild(grpc::ServerContext* context, const v1::ReleaseBuildRequest* request,
                            v1::ReleaseBuildResponse* response) override;
  grpc::ServerBidiReactor<v1::RunShellRequest, v1::RunShellResponse>* RunShell(
      grpc::CallbackServerContext* context) override;
  grpc::Status ListArtifacts(grpc::ServerContext* context, const v1::ListArtifactsRequest* request,
                             v1::ListArtifactsResponse* response) override;
  grpc::Status ReadArtifact(grpc::ServerContext* context, const v1::ReadArtifactRequest* request,
                            grpc::ServerWriter<v1::ReadArtifactResponse>* writer) override;

 private:
  Submissions& builds_;
  ArtifactStore& artifacts_;
  Shells& shells_;
};

}  // namespace rootwright::master
