#include "agent/admin/agent_admin_rpc.h"

#include "absl/status/status.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const absl::Status& status = {}) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message())));
  return reactor;
}

v1::HostCheck ToProto(const HostCheck& check) {
  v1::HostCheck proto;
  proto.set_name(check.name);
  proto.set_result(check.result == HostCheck::Result::kOk         ? v1::HostCheck::RESULT_OK
                   : check.result == HostCheck::Result::kDegraded ? v1::HostCheck::RESULT_DEGRADED
                                                                  : v1::HostCheck::RESULT_FAILED);
  proto.set_finding(check.finding);
  proto.set_remedy(check.remedy);
  return proto;
}

}  // namespace

grpc::ServerUnaryReactor* AgentAdminRpc::GetStatus(Context* context, const v1::GetStatusRequest*,
                                                   v1::GetStatusResponse* response) {
  response->set_name(facts_.name);
  response->set_version(facts_.version);
  *response->mutable_started_at() = rootwright::ToProto(facts_.started_at);
  response->set_state(drain_.reason() ? v1::AGENT_STATE_DRAINING : v1::AGENT_STATE_READY);
  response->set_linked(facts_.linked());
  response->set_master(facts_.master);
  *response->mutable_capabilities() = facts_.capabilities();
  for (const HostCheck& check : facts_.checks()) *response->add_checks() = ToProto(check);
  return Answer(context);
}

grpc::ServerUnaryReactor* AgentAdminRpc::ListAgentBuilds(Context* context, const v1::ListAgentBuildsRequest*,
                                                         v1::ListAgentBuildsResponse* response) {
  for (v1::AgentBuild& build : builds_.List()) *response->add_builds() = std::move(build);
  return Answer(context);
}

grpc::ServerUnaryReactor* AgentAdminRpc::Drain(Context* context, const v1::DrainRequest* request,
                                               v1::DrainResponse*) {
  drain_.Start(rootwright::Drain::By::kOperator, request->reason());
  return Answer(context);
}

grpc::ServerUnaryReactor* AgentAdminRpc::Resume(Context* context, const v1::ResumeRequest*,
                                                v1::ResumeResponse*) {
  drain_.Undo(rootwright::Drain::By::kOperator);
  return Answer(context);
}

grpc::ServerUnaryReactor* AgentAdminRpc::CancelAgentBuild(Context* context,
                                                          const v1::CancelAgentBuildRequest* request,
                                                          v1::CancelAgentBuildResponse*) {
  return Answer(context, builds_.CancelBuild(request->build_id(), request->reason()));
}

}  // namespace rootwright
