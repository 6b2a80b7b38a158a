#include "agent/link/master_channel.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

#include "base/status.h"
#include "rootwright/v1/agent_link_service.grpc.pb.h"

namespace rootwright {
namespace {

using Stub = v1::AgentLinkService::Stub;

absl::Status ToStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

// A stop ends the call, whatever it waits for.
class CancelOnStop {
 public:
  CancelOnStop(grpc::ClientContext& context, std::stop_token stop)
      : callback_(std::move(stop), [&context] { context.TryCancel(); }) {}

 private:
  std::stop_callback<std::function<void()>> callback_;
};

// One thread reads; the session's thread writes. Both only move messages.
class GrpcConversation : public Conversation {
 public:
  GrpcConversation(Stub& stub, Inbox& inbox) : inbox_(inbox), stream_(stub.Attach(&context_)) {
    reader_ = std::thread([this] { Read(); });
  }

  ~GrpcConversation() override {
    stream_->WritesDone();
    // A master that does not answer the end of our half is not waited for.
    const bool ended = finished_.WaitFor(std::chrono::seconds(2));
    if (!ended) context_.TryCancel();
    reader_.join();
  }

  bool Send(const v1::AttachRequest& message) override { return stream_->Write(message); }

 private:
  class Flag {
   public:
    void Set() {
      {
        MutexLock lock(mutex_);
        set_ = true;
      }
      changed_.notify_all();
    }
    bool WaitFor(std::chrono::milliseconds limit) {
      MutexLock lock(mutex_);
      return changed_.wait_for(mutex_, limit, [this] { return set_; });
    }

   private:
    Mutex mutex_;
    CondVar changed_;
    bool set_ = false;
  };

  void Read() {
    v1::AttachResponse message;
    while (stream_->Read(&message)) inbox_.Put(std::move(message));
    const grpc::Status status = stream_->Finish();
    inbox_.Close(status.ok() ? absl::UnavailableError("the master ended the session") : ToStatus(status));
    finished_.Set();
  }

  Inbox& inbox_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>> stream_;
  Flag finished_;
  std::thread reader_;
};

class GrpcShellStream : public ShellStream {
 public:
  explicit GrpcShellStream(Stub& stub) : stream_(stub.ServeShell(&context_)) {}
  ~GrpcShellStream() override {
    context_.TryCancel();
    stream_->Finish();
  }

  bool Write(const v1::ServeShellRequest& message) override { return stream_->Write(message); }
  void EndWriting() override { stream_->WritesDone(); }
  bool Read(v1::ServeShellResponse* message) override { return stream_->Read(message); }
  void Cancel() override { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReaderWriter<v1::ServeShellRequest, v1::ServeShellResponse>> stream_;
};

class GrpcMasterChannel : public MasterChannel {
 public:
  explicit GrpcMasterChannel(std::shared_ptr<grpc::Channel> channel)
      : stub_(v1::AgentLinkService::NewStub(std::move(channel))) {}

  std::unique_ptr<Conversation> Dial(Inbox& inbox) override {
    return std::make_unique<GrpcConversation>(*stub_, inbox);
  }

  std::unique_ptr<ShellStream> ServeShell() override { return std::make_unique<GrpcShellStream>(*stub_); }

  absl::StatusOr<v1::QueryArtifactResponse> Query(const v1::QueryArtifactRequest& request,
                                                  std::stop_token stop) override {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const CancelOnStop cancel(context, std::move(stop));
    v1::QueryArtifactResponse response;
    RW_RETURN_IF_ERROR(ToStatus(stub_->QueryArtifact(&context, request, &response)));
    return response;
  }

  absl::StatusOr<v1::UploadArtifactResponse> Upload(const NextChunk& next, std::stop_token stop) override {
    grpc::ClientContext context;
    const CancelOnStop cancel(context, std::move(stop));
    v1::UploadArtifactResponse response;
    const auto writer = stub_->UploadArtifact(&context, &response);
    absl::Status read;
    for (;;) {
      const auto chunk = next();
      read = chunk.status();
      if (!chunk.ok() || chunk->ByteSizeLong() == 0) break;
      if (!writer->Write(*chunk)) break;
    }
    if (!read.ok()) context.TryCancel();
    writer->WritesDone();
    const absl::Status sent = ToStatus(writer->Finish());
    RW_RETURN_IF_ERROR(read);
    RW_RETURN_IF_ERROR(sent);
    return response;
  }

 private:
  const std::unique_ptr<Stub> stub_;
};

}  // namespace

std::unique_ptr<MasterChannel> MasterChannel::Create(const std::string& address) {
  grpc::ChannelArguments arguments;
  // A peer that is gone without a word is noticed after this; the master allows it.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The link has its own pauses; the channel's must not be longer.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 200);
  // By this gRPC also bounds one attempt to connect: a busy host may need seconds for it.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // Leases carry whole requests.
  arguments.SetMaxReceiveMessageSize(8 << 20);
  return std::make_unique<GrpcMasterChannel>(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace rootwright
