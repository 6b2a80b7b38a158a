#pragma once

#include "ci/master/artifact_intake.h"
#include "ci/master/sessions.h"
#include "rootwright/v1/agent_link_service.grpc.pb.h"

namespace rootwright::master {

// AgentLinkService on the wire: moves messages between streams and Sessions or ArtifactIntake, decides
// nothing. The conversations are reactors, as there may be many for long; uploads block on the disk and have
// threads.
class AgentLinkRpc final
    : public v1::AgentLinkService::WithCallbackMethod_Attach<v1::AgentLinkService::Service> {
 public:
  AgentLinkRpc(Sessions& sessions, Committer& committer, ArtifactIntake& artifacts)
      : sessions_(sessions), committer_(committer), artifacts_(artifacts) {}

  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(
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
};

}  // namespace rootwright::master
