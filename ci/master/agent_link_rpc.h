#pragma once

#include "ci/master/artifact_intake.h"
#include "ci/master/sessions.h"
#include "ci/master/shells.h"
#include "rootwright/v1/agent_link_service.grpc.pb.h"

namespace rootwright::master {

// AgentLinkService on the wire: moves messages between streams and Sessions or ArtifactIntake, decides
// nothing. The conversations and shells are reactors, as there may be many for long; uploads block on the
// disk and have threads.
class AgentLinkRpc final
    : public v1::AgentLinkService::WithCallbackMethod_Attach<
          v1::AgentLinkService::WithCallbackMethod_ServeShell<v1::AgentLinkService::Service>> {
 public:
  AgentLinkRpc(Sessions& sessions, Committer& committer, ArtifactIntake& artifacts, Shells& shells)
      : sessions_(sessions), committer_(committer), artifacts_(artifacts), shells_(shells) {}

  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(
      grpc::CallbackServerContext* context) override;
  grpc::ServerBidiReactor<v1::ServeShellRequest, v1::ServeShellResponse>* ServeShell(
      grpc::CallbackServerContext* context) override;
  grpc::Status QueryArtifact(grpc::ServerContext* context, const v1::QueryArtifactRequest* request,
                             v1::QueryArtifactResponse* response) override;
  grpc::Status UploadArtifact(grpc::ServerContext* context,
                              grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                              v1::UploadArtifactResponse* response) override;

 private:
  Sessions& sessions_;
  Committer& committer_;
  ArtifactIntake& artifacts_;
  Shells& shells_;
};

}  // namespace rootwright::master
