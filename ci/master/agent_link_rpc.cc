#include "ci/master/agent_link_rpc.h"

#include <memory>
#include <utility>

#include "base/status.h"
#include "ci/master/pumped_stream.h"
#include "ci/master/shell_stream.h"

namespace rootwright::master {
namespace {

using BidiReactor = grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>;

// One conversation. Reads one message at a time, and none while the disk is behind.
class AttachStream final : public PumpedStream<BidiReactor, v1::AttachResponse>,
                           public std::enable_shared_from_this<AttachStream> {
 public:
  AttachStream(Sessions& sessions, Committer& committer) : sessions_(sessions), committer_(committer) {}

  void Start() {
    session_ = sessions_.Open(weak_from_this());
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Leave(absl::OkStatus());
    absl::Status received = sessions_.Receive(session_, std::move(request_));
    request_.Clear();
    if (!received.ok()) return Leave(std::move(received));
    SetReading(Reading::kHeldBack);
    if (!committer_.WaitForRoom([stream = shared_from_this()] { stream->ReadOn(); })) ReadOn();
  }

  void OnDone() override {
    sessions_.Close(session_);
    PumpedStream::OnDone();
  }

 private:
  absl::StatusOr<Supply> Next(v1::AttachResponse* response) override {
    return session_->outbox->Take(response);
  }

  void Leave(absl::Status status) {
    session_->outbox->Close(std::move(status));
    sessions_.Close(session_);
    Wake();
  }

  // Also from the commit thread. The stream cannot have finished meanwhile: see MayFinish.
  void ReadOn() {
    StartRead(&request_);
    SetReading(Reading::kGoesOn);
    Wake();
  }

  bool MayFinish() override {
    MutexLock lock(read_mutex_);
    return reading_ == Reading::kGoesOn;
  }

  enum class Reading { kGoesOn, kHeldBack };
  void SetReading(Reading reading) {
    MutexLock lock(read_mutex_);
    reading_ = reading;
  }

  Sessions& sessions_;
  Committer& committer_;
  std::shared_ptr<Session> session_;
  v1::AttachRequest request_;
  Mutex read_mutex_;
  Reading reading_ RW_GUARDED_BY(read_mutex_) = Reading::kGoesOn;
};

// The agent's end of a shell.
class ServingSide {
 public:
  explicit ServingSide(Shells& shells) : shells_(&shells) {}

  absl::Status Take(v1::ServeShellRequest message, std::weak_ptr<Waker> stream) {
    if (relay_ != nullptr) return relay_->FromAgent(std::move(*message.mutable_output()));
    RW_ASSIGN_OR_RETURN(relay_, shells_->Serve(message.shell_id(), std::move(stream)));
    return absl::OkStatus();
  }
  bool WaitForRoom(std::function<void()> then) { return relay_->to_caller.WaitForRoom(std::move(then)); }
  absl::StatusOr<Supply> Next(v1::ServeShellResponse* response) {
    return relay_->to_agent.Take(response->mutable_input());
  }
  void Gone() {
    if (relay_ != nullptr) relay_->AgentGone();
  }

 private:
  Shells* shells_;
  // Set by the first Take.
  std::shared_ptr<ShellRelay> relay_;
};

using ServingStream = ShellStream<ServingSide, v1::ServeShellRequest, v1::ServeShellResponse>;

}  // namespace

grpc::ServerBidiReactor<v1::ServeShellRequest, v1::ServeShellResponse>* AgentLinkRpc::ServeShell(
    grpc::CallbackServerContext* /*context*/) {
  auto stream = std::make_shared<ServingStream>(ServingSide(shells_));
  return ServingStream::Launch(stream, [&] { stream->ReadOn(); });
}

BidiReactor* AgentLinkRpc::Attach(grpc::CallbackServerContext* /*context*/) {
  auto stream = std::make_shared<AttachStream>(sessions_, committer_);
  AttachStream* reactor = AttachStream::Launch(stream, [&] { stream->Start(); });
  return reactor;
}

grpc::Status AgentLinkRpc::QueryArtifact(grpc::ServerContext* /*context*/,
                                         const v1::QueryArtifactRequest* request,
                                         v1::QueryArtifactResponse* response) {
  return Answer(artifacts_.Query(*request), response);
}

grpc::Status AgentLinkRpc::UploadArtifact(grpc::ServerContext* /*context*/,
                                          grpc::ServerReader<v1::UploadArtifactRequest>* reader,
                                          v1::UploadArtifactResponse* response) {
  v1::UploadArtifactRequest first, more;
  if (!reader->Read(&first)) return ToGrpc(absl::InvalidArgumentError("upload artifact: nothing was sent"));
  auto upload = artifacts_.Begin(first);
  if (!upload.ok()) return ToGrpc(upload.status());
  absl::Status taken = (*upload)->Append(first.offset(), first.data());
  first.clear_data();
  while (taken.ok() && reader->Read(&more)) taken = (*upload)->Append(more.offset(), more.data());
  if (!taken.ok()) return ToGrpc(taken);
  return Answer(artifacts_.End(first, **upload), response);
}

}  // namespace rootwright::master
