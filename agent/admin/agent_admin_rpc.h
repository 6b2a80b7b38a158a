#pragma once

#include <utility>

#include "agent/admin/agent_facts.h"
#include "agent/build/builds.h"
#include "agent/build/drain.h"
#include "rootwright/v1/agent_admin_service.grpc.pb.h"

namespace rootwright {

// AgentAdminService. Its calls look into memory and never block, so they are answered on gRPC's own threads.
// All arguments outlive it.
class AgentAdminRpc : public v1::AgentAdminService::CallbackService {
 public:
  AgentAdminRpc(AgentFacts facts, Builds& builds, rootwright::Drain& drain)
      : facts_(std::move(facts)), builds_(builds), drain_(drain) {}

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* GetStatus(Context* context, const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* ListAgentBuilds(Context* context, const v1::ListAgentBuildsRequest* request,
                                            v1::ListAgentBuildsResponse* response) override;
  grpc::ServerUnaryReactor* Drain(Context* context, const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;
  grpc::ServerUnaryReactor* Resume(Context* context, const v1::ResumeRequest* request,
                                   v1::ResumeResponse* response) override;
  grpc::ServerUnaryReactor* CancelAgentBuild(Context* context, const v1::CancelAgentBuildRequest* request,
                                             v1::CancelAgentBuildResponse* response) override;

 private:
  const AgentFacts facts_;
  Builds& builds_;
  rootwright::Drain& drain_;
};

}  // namespace rootwright
