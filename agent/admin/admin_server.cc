#include "agent/admin/admin_server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/wait.h"
#include "rootwright/v1/agent_admin_service.grpc.pb.h"

namespace rootwright {
namespace {

constexpr absl::Duration kHealthInterval = absl::Seconds(2);
// Below it nothing can be built.
constexpr int64_t kLeastDisk = int64_t{1} << 30;
constexpr std::chrono::seconds kShutdownLimit(2);

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
}

class AdminService : public v1::AgentAdminService::Service {
 public:
  explicit AdminService(const AdminServer::Parts& parts) : parts_(parts) {}

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*, v1::GetStatusResponse* response) override {
    *response = parts_.status();
    response->set_linked(parts_.linked());
    response->set_state(parts_.drain.reason() ? v1::AGENT_STATE_DRAINING : v1::AGENT_STATE_READY);
    return grpc::Status::OK;
  }

  grpc::Status ListAgentBuilds(grpc::ServerContext*, const v1::ListAgentBuildsRequest*,
                               v1::ListAgentBuildsResponse* response) override {
    for (v1::AgentBuild& build : parts_.builds.List()) response->mutable_builds()->Add(std::move(build));
    return grpc::Status::OK;
  }

  grpc::Status Drain(grpc::ServerContext*, const v1::DrainRequest* request, v1::DrainResponse*) override {
    parts_.drain.Start(rootwright::Drain::By::kOperator, request->reason());
    return grpc::Status::OK;
  }

  grpc::Status Resume(grpc::ServerContext*, const v1::ResumeRequest*, v1::ResumeResponse*) override {
    parts_.drain.Undo(rootwright::Drain::By::kOperator);
    return grpc::Status::OK;
  }

  grpc::Status CancelAgentBuild(grpc::ServerContext*, const v1::CancelAgentBuildRequest* request,
                                v1::CancelAgentBuildResponse*) override {
    return ToGrpc(parts_.builds.CancelBuild(request->build_id(), request->reason()));
  }

 private:
  const AdminServer::Parts parts_;
};

class GrpcAdminServer : public AdminServer {
 public:
  GrpcAdminServer(const Parts& parts, std::string host) : parts_(parts), service_(parts), host_(std::move(host)) {}

  ~GrpcAdminServer() override {
    health_thread_ = {};
    server_->Shutdown(std::chrono::system_clock::now() + kShutdownLimit);
  }

  absl::Status Listen(const std::string& listen) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
    grpc::ServerBuilder builder;
    builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port_);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr || port_ == 0) {
      return absl::UnavailableError(
          absl::StrCat("listen: ", listen, ": the address is taken or not ours; set admin_listen"));
    }
    LookAtHealth();
    health_thread_ = std::jthread([this](std::stop_token stop) {
      while (SleepFor(kHealthInterval, stop).ok()) LookAtHealth();
    });
    return absl::OkStatus();
  }

  std::string address() const override { return absl::StrCat(host_, ":", port_); }

 private:
  void LookAtHealth() {
    const bool linked = parts_.linked();
    const bool libvirt = parts_.executor.CheckHealth().ok();
    const absl::StatusOr<int64_t> free = FreeBytes(parts_.state_folder);
    const bool disk = free.ok() && *free >= kLeastDisk;
    grpc::HealthCheckServiceInterface& health = *server_->GetHealthCheckService();
    health.SetServingStatus("link", linked);
    health.SetServingStatus("libvirt", libvirt);
    health.SetServingStatus("disk", disk);
    health.SetServingStatus("", linked && libvirt && disk);
  }

  const Parts parts_;
  AdminService service_;
  const std::string host_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::jthread health_thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& listen, const Parts& parts) {
  auto server = std::make_unique<GrpcAdminServer>(parts, listen.substr(0, listen.rfind(':')));
  if (absl::Status listening = server->Listen(listen); !listening.ok()) return listening;
  return server;
}

}  // namespace rootwright
