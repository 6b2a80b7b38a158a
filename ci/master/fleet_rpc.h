#pragma once

#include "ci/master/fleet.h"
#include "ci/master/submissions.h"
#include "rootwright/v1/fleet_service.grpc.pb.h"

namespace rootwright::master {

// FleetService on the wire: moves messages between calls and Fleet, decides nothing.
class FleetRpc final : public v1::FleetService::Service {
 public:
  FleetRpc(Fleet& fleet, Submissions& builds) : fleet_(fleet), builds_(builds) {}

  grpc::Status ListAgents(grpc::ServerContext* context, const v1::ListAgentsRequest* request,
                          v1::ListAgentsResponse* response) override;
  grpc::Status GetAgent(grpc::ServerContext* context, const v1::GetAgentRequest* request,
                        v1::GetAgentResponse* response) override;
  grpc::Status DrainAgent(grpc::ServerContext* context, const v1::DrainAgentRequest* request,
                          v1::DrainAgentResponse* response) override;
  grpc::Status ResumeAgent(grpc::ServerContext* context, const v1::ResumeAgentRequest* request,
                           v1::ResumeAgentResponse* response) override;
  grpc::Status ExplainPending(grpc::ServerContext* context, const v1::ExplainPendingRequest* request,
                              v1::ExplainPendingResponse* response) override;

 private:
  Fleet& fleet_;
  Submissions& builds_;
};

}  // namespace rootwright::master
