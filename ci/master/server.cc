#include "ci/master/server.h"

#include <fcntl.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <stop_token>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "base/status.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "ci/master/agent_link_rpc.h"
#include "ci/master/build_rpc.h"
#include "ci/master/fleet_rpc.h"

namespace rootwright::master {
namespace {

// Calls that block have threads: more at a time than this are refused.
constexpr int kMaxThreads = 64;
constexpr auto kShutdownGrace = std::chrono::seconds(2);

// One master for a state folder; the kernel lets go of the lock when the process ends, however it does.
absl::StatusOr<UniqueFd> LockFolder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return ErrnoStatus(errno, "open lock", path.string());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  return absl::FailedPreconditionError(absl::StrCat(
      "state folder: ", folder.string(), ": another master uses it; end that one or give --state"));
}

// Agents and CLIs ping idle connections; by default gRPC would answer with GOAWAY.
void AllowPings(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // A second master on the port must fail, not share it.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

struct Server::Parts {
  Parts(UniqueFd lock_in, std::unique_ptr<Store> store_in, std::unique_ptr<ArtifactStore> artifacts_in,
        const ServerOptions& options, const Clock& clock)
      : lock(std::move(lock_in)),
        store(std::move(store_in)),
        artifacts(std::move(artifacts_in)),
        logs(options.state / "logs"),
        farm(*store, logs, clock, options.times),
        submissions(farm),
        sessions(farm),
        fleet(farm),
        intake(farm, *artifacts),
        shells(farm, submissions),
        agent_link_rpc(sessions, farm.committer, intake, shells),
        build_rpc(submissions, *artifacts, shells),
        fleet_rpc(fleet, submissions) {}

  UniqueFd lock;
  std::unique_ptr<Store> store;
  std::unique_ptr<ArtifactStore> artifacts;
  LogStore logs;
  Farm farm;
  Submissions submissions;
  Sessions sessions;
  Fleet fleet;
  ArtifactIntake intake;
  Shells shells;
  AgentLinkRpc agent_link_rpc;
  BuildRpc build_rpc;
  FleetRpc fleet_rpc;
  std::string address;
  std::unique_ptr<grpc::Server> server;
  std::jthread ticker;
};

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

const std::string& Server::address() const { return parts_->address; }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, const Clock& clock) {
  RW_RETURN_IF_ERROR(MakeFolders(options.state));
  RW_RETURN_IF_ERROR(MakeFolders(options.state / "logs"));
  RW_ASSIGN_OR_RETURN(UniqueFd lock, LockFolder(options.state));
  RW_ASSIGN_OR_RETURN(auto store, Store::Open(options.state / "master.db"));
  RW_ASSIGN_OR_RETURN(auto artifacts,
                      ArtifactStore::Create(options.state / "artifacts", options.max_artifact_bytes));
  auto parts =
      std::make_unique<Parts>(std::move(lock), std::move(store), std::move(artifacts), options, clock);
  RW_RETURN_IF_ERROR(parts->farm.Load());

  grpc::EnableDefaultHealthCheckService(true);
  grpc::channelz::experimental::InitChannelzService();
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota;
  quota.SetMaxThreads(kMaxThreads);
  builder.SetResourceQuota(quota);
  AllowPings(builder);
  int port = 0;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&parts->agent_link_rpc);
  builder.RegisterService(&parts->build_rpc);
  builder.RegisterService(&parts->fleet_rpc);
  parts->server = builder.BuildAndStart();
  if (parts->server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("listen: ", options.listen, ": cannot be had; is another program there?"));
  }
  parts->address = absl::StrCat(options.listen.substr(0, options.listen.rfind(':')), ":", port);
  parts->server->GetHealthCheckService()->SetServingStatus(true);
  for (const char* service : {"AgentLinkService", "BuildService", "FleetService"}) {
    parts->server->GetHealthCheckService()->SetServingStatus(absl::StrCat("rootwright.v1.", service), true);
  }
  parts->ticker =
      std::jthread([parts = parts.get(), pause = options.times.heartbeat() / 4](std::stop_token stop) {
        while (SleepFor(pause, stop).ok()) {
          parts->sessions.Tick();
          parts->intake.Tick();
          parts->shells.Tick();
        }
      });
  return std::unique_ptr<Server>(new Server(std::move(parts)));
}

Server::~Server() {
  parts_->ticker.request_stop();
  if (parts_->ticker.joinable()) parts_->ticker.join();
  parts_->farm.Close();
  parts_->server->Shutdown(std::chrono::system_clock::now() + kShutdownGrace);
  parts_->server->Wait();
}

}  // namespace rootwright::master
