#include "ci/cli/master_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "ci/cli/rpc_error.h"
#include "rootwright/v1/build_service.grpc.pb.h"
#include "rootwright/v1/fleet_service.grpc.pb.h"

namespace rootwright::cli {
namespace {

constexpr std::chrono::seconds kCallLimit{30};

absl::Status FromGrpc(const grpc::Status& status, const std::string& address) {
  if (status.ok()) return absl::OkStatus();
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE) {
    return absl::UnavailableError(
        absl::StrCat("cannot reach the master: ", address, ": ", ConnectCause(status.error_message()),
                     ": start rootwright-master, or name another one with --master"));
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return absl::DeadlineExceededError(
        absl::StrCat("the master does not answer: ", address, ": ", status.error_message()));
  }
  // gRPC's codes are Abseil's, by number.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  AttachDetails(result, status.error_details());
  return result;
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                              const Request& request, const std::string& address) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallLimit);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status, address);
  return response;
}

template <typename Stub, typename Request, typename Response>
absl::Status Stream(Stub& stub,
                    std::unique_ptr<grpc::ClientReader<Response>> (Stub::*method)(grpc::ClientContext*,
                                                                                  const Request&),
                    const Request& request, const std::string& address, std::stop_token stop,
                    const std::function<absl::Status(Response)>& on_message) {
  grpc::ClientContext context;
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  const auto reader = (stub.*method)(&context, request);
  absl::Status refused;
  Response response;
  while (refused.ok() && reader->Read(&response)) refused = on_message(std::move(response));
  if (!refused.ok()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (!refused.ok()) return refused;
  if (stop.stop_requested()) return absl::CancelledError("stopped");
  return FromGrpc(status, address);
}

class GrpcShellCall : public ShellCall {
 public:
  GrpcShellCall(v1::BuildService::Stub& stub, std::string address)
      : address_(std::move(address)), stream_(stub.RunShell(&context_)) {}
  ~GrpcShellCall() override {
    if (finished_) return;
    context_.TryCancel();
    stream_->Finish();
  }

  bool Write(const v1::RunShellRequest& message) override { return stream_->Write(message); }
  bool Read(v1::RunShellResponse* message) override { return stream_->Read(message); }
  void Cancel() override { context_.TryCancel(); }
  absl::Status Finish() override {
    finished_ = true;
    const grpc::Status status = stream_->Finish();
    // What the master says of others is not about the way to it.
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
        status.error_message().rfind("shell: ", 0) == 0) {
      return absl::UnavailableError(status.error_message());
    }
    return FromGrpc(status, address_);
  }

 private:
  const std::string address_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::RunShellRequest, v1::RunShellResponse>> stream_;
  bool finished_ = false;
};

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> DialMaster(const std::string& address) {
  if (address.find(':') == std::string::npos || address.find_first_of(" \t\n") != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("not an address of a master: '", address, "': write it like builder.example:7420"));
  }
  grpc::ChannelArguments arguments;
  // A dead link is noticed within a minute and a half, also on a silent build.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // By this gRPC also bounds one attempt to connect: a busy host may need seconds for it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  arguments.SetMaxReceiveMessageSize(16 << 20);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

struct BuildClient::Stubs {
  std::unique_ptr<v1::BuildService::Stub> build;
  std::unique_ptr<v1::FleetService::Stub> fleet;
};

BuildClient::BuildClient(std::shared_ptr<grpc::Channel> channel, std::string address)
    : address_(std::move(address)),
      stubs_(new Stubs{v1::BuildService::NewStub(channel), v1::FleetService::NewStub(channel)}) {}

BuildClient::~BuildClient() = default;

absl::StatusOr<v1::SubmitBuildResponse> BuildClient::Submit(const v1::SubmitBuildRequest& request) {
  return Call(*stubs_->build, &v1::BuildService::Stub::SubmitBuild, request, address_);
}

absl::StatusOr<v1::Build> BuildClient::Get(const std::string& build_id) {
  v1::GetBuildRequest request;
  request.set_build_id(build_id);
  RW_ASSIGN_OR_RETURN(v1::GetBuildResponse response,
                      Call(*stubs_->build, &v1::BuildService::Stub::GetBuild, request, address_));
  return std::move(*response.mutable_build());
}

absl::StatusOr<v1::ListBuildsResponse> BuildClient::List(const v1::ListBuildsRequest& request) {
  return Call(*stubs_->build, &v1::BuildService::Stub::ListBuilds, request, address_);
}

absl::StatusOr<v1::CancelBuildResponse> BuildClient::Cancel(const std::string& build_id,
                                                            const std::string& reason) {
  v1::CancelBuildRequest request;
  request.set_build_id(build_id);
  request.set_reason(reason);
  return Call(*stubs_->build, &v1::BuildService::Stub::CancelBuild, request, address_);
}

absl::StatusOr<v1::Build> BuildClient::Release(const std::string& build_id) {
  v1::ReleaseBuildRequest request;
  request.set_build_id(build_id);
  RW_ASSIGN_OR_RETURN(v1::ReleaseBuildResponse response,
                      Call(*stubs_->build, &v1::BuildService::Stub::ReleaseBuild, request, address_));
  return std::move(*response.mutable_build());
}

std::unique_ptr<ShellCall> BuildClient::RunShell() {
  return std::make_unique<GrpcShellCall>(*stubs_->build, address_);
}

absl::StatusOr<v1::ListArtifactsResponse> BuildClient::ListArtifacts(const std::string& build_id) {
  v1::ListArtifactsRequest request;
  request.set_build_id(build_id);
  return Call(*stubs_->build, &v1::BuildService::Stub::ListArtifacts, request, address_);
}

absl::StatusOr<v1::ExplainPendingResponse> BuildClient::Explain(const std::string& build_id) {
  v1::ExplainPendingRequest request;
  request.set_build_id(build_id);
  return Call(*stubs_->fleet, &v1::FleetService::Stub::ExplainPending, request, address_);
}

absl::Status BuildClient::Watch(const v1::WatchBuildRequest& request, std::stop_token stop,
                                const OnMessage<v1::WatchBuildResponse>& on_message) {
  return Stream(*stubs_->build, &v1::BuildService::Stub::WatchBuild, request, address_, stop, on_message);
}

absl::Status BuildClient::ReadLog(const v1::ReadLogRequest& request, std::stop_token stop,
                                  const OnMessage<v1::ReadLogResponse>& on_message) {
  return Stream(*stubs_->build, &v1::BuildService::Stub::ReadLog, request, address_, stop, on_message);
}

absl::Status BuildClient::ReadArtifact(const v1::ReadArtifactRequest& request, std::stop_token stop,
                                       const OnMessage<v1::ReadArtifactResponse>& on_message) {
  return Stream(*stubs_->build, &v1::BuildService::Stub::ReadArtifact, request, address_, stop, on_message);
}

struct FleetClient::Stub {
  std::unique_ptr<v1::FleetService::Stub> fleet;
};

FleetClient::FleetClient(std::shared_ptr<grpc::Channel> channel, std::string address)
    : address_(std::move(address)), stub_(new Stub{v1::FleetService::NewStub(channel)}) {}

FleetClient::~FleetClient() = default;

absl::StatusOr<v1::ListAgentsResponse> FleetClient::List() {
  return Call(*stub_->fleet, &v1::FleetService::Stub::ListAgents, v1::ListAgentsRequest(), address_);
}

absl::StatusOr<v1::Agent> FleetClient::Get(const std::string& name) {
  v1::GetAgentRequest request;
  request.set_name(name);
  RW_ASSIGN_OR_RETURN(v1::GetAgentResponse response,
                      Call(*stub_->fleet, &v1::FleetService::Stub::GetAgent, request, address_));
  return std::move(*response.mutable_agent());
}

absl::StatusOr<v1::Agent> FleetClient::Drain(const std::string& name, const std::string& reason) {
  v1::DrainAgentRequest request;
  request.set_name(name);
  request.set_reason(reason);
  RW_ASSIGN_OR_RETURN(v1::DrainAgentResponse response,
                      Call(*stub_->fleet, &v1::FleetService::Stub::DrainAgent, request, address_));
  return std::move(*response.mutable_agent());
}

absl::StatusOr<v1::Agent> FleetClient::Resume(const std::string& name) {
  v1::ResumeAgentRequest request;
  request.set_name(name);
  RW_ASSIGN_OR_RETURN(v1::ResumeAgentResponse response,
                      Call(*stub_->fleet, &v1::FleetService::Stub::ResumeAgent, request, address_));
  return std::move(*response.mutable_agent());
}

}  // namespace rootwright::cli
