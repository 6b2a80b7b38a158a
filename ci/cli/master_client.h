#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rootwright/v1/build_service.pb.h"
#include "rootwright/v1/fleet_service.pb.h"

namespace grpc {
class Channel;
}

namespace rootwright::cli {

// A connection to the master, made with the first call and again after it was lost. The
// clients below share it. Create fails on an address that cannot be one.
absl::StatusOr<std::shared_ptr<grpc::Channel>> DialMaster(const std::string& address);

// A program in the environment of a build, while it runs. Write and Read each from one thread, Cancel from
// any.
class ShellCall {
 public:
  virtual ~ShellCall() = default;
  // False once the call is over; Finish tells why.
  virtual bool Write(const v1::RunShellRequest& message) = 0;
  virtual bool Read(v1::RunShellResponse* message) = 0;
  virtual void Cancel() = 0;
  // Once, when nothing is read or written any more: how the call ended, as the calls of BuildClient tell it.
  virtual absl::Status Finish() = 0;
};

// Calls of BuildService (and ExplainPending, which is about a build). Each call fails with
// the status that the master gave, field violations kept (rpc_error.h), or Unavailable
// "cannot reach the master: …". Calls without a stream give up after 30 s. Any thread.
class BuildClient {
 public:
  BuildClient(std::shared_ptr<grpc::Channel> channel, std::string address);
  ~BuildClient();

  absl::StatusOr<v1::SubmitBuildResponse> Submit(const v1::SubmitBuildRequest& request);
  absl::StatusOr<v1::Build> Get(const std::string& build_id);
  absl::StatusOr<v1::ListBuildsResponse> List(const v1::ListBuildsRequest& request);
  absl::StatusOr<v1::CancelBuildResponse> Cancel(const std::string& build_id, const std::string& reason);
  absl::StatusOr<v1::Build> Release(const std::string& build_id);
  std::unique_ptr<ShellCall> RunShell();
  absl::StatusOr<v1::ListArtifactsResponse> ListArtifacts(const std::string& build_id);
  absl::StatusOr<v1::ExplainPendingResponse> Explain(const std::string& build_id);

  // Streams: each message goes to the callback, on the calling thread, as it comes. They
  // return when the master ends the stream, with Cancelled after a stop was asked for,
  // or with the callback's error when it gives one.
  template <typename Message>
  using OnMessage = std::function<absl::Status(Message)>;
  absl::Status Watch(const v1::WatchBuildRequest& request, std::stop_token stop,
                     const OnMessage<v1::WatchBuildResponse>& on_message);
  absl::Status ReadLog(const v1::ReadLogRequest& request, std::stop_token stop,
                       const OnMessage<v1::ReadLogResponse>& on_message);
  absl::Status ReadArtifact(const v1::ReadArtifactRequest& request, std::stop_token stop,
                            const OnMessage<v1::ReadArtifactResponse>& on_message);

 private:
  struct Stubs;
  const std::string address_;
  const std::unique_ptr<Stubs> stubs_;
};

// Calls of FleetService, with the same errors. Any thread.
class FleetClient {
 public:
  FleetClient(std::shared_ptr<grpc::Channel> channel, std::string address);
  ~FleetClient();

  absl::StatusOr<v1::ListAgentsResponse> List();
  absl::StatusOr<v1::Agent> Get(const std::string& name);
  absl::StatusOr<v1::Agent> Drain(const std::string& name, const std::string& reason);
  absl::StatusOr<v1::Agent> Resume(const std::string& name);

 private:
  struct Stub;
  const std::string address_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace rootwright::cli
