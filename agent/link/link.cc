#include "agent/link/link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/wait.h"
#include "rootwright/v1/agent_link_service.grpc.pb.h"

namespace rootwright {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(10);
constexpr absl::Duration kLastWords = absl::Seconds(1);

using Stream = grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>;

// Ends a blocked read or write of the stream when a stop is asked for, after time for last words.
class Hangup {
 public:
  Hangup(grpc::ClientContext& context, std::stop_token stop) : thread_([&context, stop](std::stop_token done) {
      std::stop_source either;
      const std::stop_callback on_stop(stop, [&either] { either.request_stop(); });
      const std::stop_callback on_done(done, [&either] { either.request_stop(); });
      SleepFor(absl::InfiniteDuration(), either.get_token()).IgnoreError();
      if (!done.stop_requested()) SleepFor(kLastWords, done).IgnoreError();
      if (!done.stop_requested()) context.TryCancel();
    }) {}

 private:
  std::jthread thread_;
};

// Scattered, so that a fleet does not come back all at once.
absl::Duration Scatter(absl::Duration pause) {
  static thread_local std::minstd_rand random(std::random_device{}());
  return pause * std::uniform_real_distribution<double>(0.5, 1.0)(random);
}

}  // namespace

std::shared_ptr<grpc::Channel> DialMaster(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

absl::Status Link::Run(std::stop_token stop) {
  absl::Duration pause = kFirstPause;
  std::string last_error;
  while (!stop.stop_requested()) {
    const absl::Status ended = Converse(stop);
    const bool was_linked = session_.linked();
    session_.Disconnected();
    if (const std::optional<std::string> reason = session_.dismissed()) {
      return absl::AbortedError(absl::StrCat("the master ended this agent's session for good: ", *reason));
    }
    if (stop.stop_requested()) break;
    if (was_linked) pause = kFirstPause;
    // A master that stays away is told once, not at every try.
    if (std::string error(ended.message()); was_linked || error != last_error) {
      spdlog::warn("link: {}; trying again", error);
      last_error = std::move(error);
    }
    session_.Tick();
    SleepFor(Scatter(pause), stop).IgnoreError();
    pause = std::min(kLongestPause, pause * 2);
  }
  return absl::OkStatus();
}

absl::Status Link::Converse(std::stop_token stop) {
  const std::unique_ptr<v1::AgentLinkService::Stub> stub = v1::AgentLinkService::NewStub(channel_);
  grpc::ClientContext context;
  const std::unique_ptr<Stream> stream = stub->Attach(&context);
  const Hangup hangup(context, stop);
  absl::Status heard;
  if (stream->Write(session_.Connected())) {
    std::stop_source reading_ended;
    std::jthread reader([&] {
      v1::AttachResponse message;
      while (heard.ok() && stream->Read(&message)) {
        const bool linked_before = session_.linked();
        heard = session_.Receive(message);
        if (!linked_before && session_.linked()) spdlog::info("link: the master welcomed this agent");
      }
      if (!heard.ok()) context.TryCancel();
      reading_ended.request_stop();
      doorbell_.Ring();
    });
    uint64_t rings = doorbell_.rings();
    while (!reading_ended.stop_requested()) {
      while (const std::optional<v1::AttachRequest> message = session_.Next()) {
        if (!stream->Write(*message)) break;
      }
      if (stop.stop_requested()) break;
      std::stop_source wake;
      const std::stop_callback on_stop(stop, [&wake] { wake.request_stop(); });
      const std::stop_callback on_end(reading_ended.get_token(), [&wake] { wake.request_stop(); });
      rings = doorbell_.Wait(rings, Deadline::At(session_.Due()), wake.get_token());
    }
    stream->WritesDone();
    reader.join();
  }
  const grpc::Status status = stream->Finish();
  if (!heard.ok()) return heard;
  return absl::UnavailableError(status.ok() ? "the master ended the connection" : status.error_message());
}

}  // namespace rootwright
