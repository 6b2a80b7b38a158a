#include "agent/admin/admin_server.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/admin/agent_admin_rpc.h"
#include "agent/admin/image_rpc.h"
#include "base/mutex.h"

namespace rootwright {

struct AdminServer::Parts {
  Parts(AgentFacts facts, Builds& builds, Drain& drain, ImageAdmin image_admin)
      : rpc(std::move(facts), builds, drain), images(std::move(image_admin)) {}

  AgentAdminRpc rpc;
  ImageRpc images;
  std::string address;
  std::unique_ptr<grpc::Server> server;
  Mutex mutex;
  std::map<std::string, bool> health RW_GUARDED_BY(mutex);
};

AdminServer::AdminServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(const std::string& listen, AgentFacts facts,
                                                                Builds& builds, Drain& drain,
                                                                ImageAdmin images) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::channelz::experimental::InitChannelzService();
  auto parts = std::make_unique<Parts>(std::move(facts), builds, drain, std::move(images));
  grpc::ServerBuilder builder;
  int port = 0;
  // A second agent on the port must fail, not share it.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&parts->rpc);
  builder.RegisterService(&parts->images);
  // Reflection and ImageService wait on threads of the server's own: one listens, and one for each call.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("listen: ", listen, ": cannot be had; is another program there? (admin_listen)"));
  }
  parts->address = absl::StrCat(listen.substr(0, listen.rfind(':')), ":", port);
  parts->server->GetHealthCheckService()->SetServingStatus("rootwright.v1.AgentAdminService", true);
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(parts)));
}

AdminServer::~AdminServer() {
  parts_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  parts_->server->Wait();
}

const std::string& AdminServer::address() const { return parts_->address; }

void AdminServer::SetHealth(absl::string_view part, bool serving) {
  MutexLock lock(parts_->mutex);
  parts_->health[std::string(part)] = serving;
  const bool all = std::all_of(parts_->health.begin(), parts_->health.end(),
                               [](const auto& entry) { return entry.second; });
  grpc::HealthCheckServiceInterface* service = parts_->server->GetHealthCheckService();
  service->SetServingStatus(std::string(part), serving);
  service->SetServingStatus("", all);
}

}  // namespace rootwright
