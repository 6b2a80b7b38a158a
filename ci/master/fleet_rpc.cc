#include "ci/master/fleet_rpc.h"

#include <utility>

#include "ci/master/rpc_status.h"

namespace rootwright::master {

grpc::Status FleetRpc::ListAgents(grpc::ServerContext* /*context*/, const v1::ListAgentsRequest* /*request*/,
                                  v1::ListAgentsResponse* response) {
  for (v1::Agent& agent : fleet_.List()) *response->add_agents() = std::move(agent);
  return grpc::Status::OK;
}

grpc::Status FleetRpc::GetAgent(grpc::ServerContext* /*context*/, const v1::GetAgentRequest* request,
                                v1::GetAgentResponse* response) {
  return Answer(fleet_.Get(request->name()), response->mutable_agent());
}

grpc::Status FleetRpc::DrainAgent(grpc::ServerContext* /*context*/, const v1::DrainAgentRequest* request,
                                  v1::DrainAgentResponse* response) {
  return Answer(fleet_.Drain(request->name(), request->reason()), response->mutable_agent());
}

grpc::Status FleetRpc::ResumeAgent(grpc::ServerContext* /*context*/, const v1::ResumeAgentRequest* request,
                                   v1::ResumeAgentResponse* response) {
  return Answer(fleet_.Resume(request->name()), response->mutable_agent());
}

grpc::Status FleetRpc::ExplainPending(grpc::ServerContext* /*context*/,
                                      const v1::ExplainPendingRequest* request,
                                      v1::ExplainPendingResponse* response) {
  const auto id = builds_.FullId(request->build_id());
  if (!id.ok()) return ToGrpc(id.status());
  return Answer(fleet_.ExplainPending(*id), response);
}

}  // namespace rootwright::master
