#include "tests/ci/cli/fake_master.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>

#include "rootwright/v1/build_service.grpc.pb.h"
#include "rootwright/v1/fleet_service.grpc.pb.h"

namespace rootwright::cli {

struct FakeMaster::State {
  Mutex mutex;
  CondVar changed;
  std::vector<WatchScript> scripts;
  v1::Build build;
  v1::ExplainPendingResponse why;
  std::string bytes;
  size_t break_after = 0;
  std::vector<v1::WatchBuildRequest> watched;
  std::vector<v1::SubmitBuildRequest> submitted;
  std::vector<int64_t> offsets;
  int cancels = 0;
  bool ending = false;
};

namespace {

grpc::Status Refused() {
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "submit build: the request is refused");
}

}  // namespace

struct FakeMaster::Service : v1::BuildService::Service, v1::FleetService::Service {
  explicit Service(State& s) : state(s) {}

  grpc::Status SubmitBuild(grpc::ServerContext*, const v1::SubmitBuildRequest* request,
                           v1::SubmitBuildResponse* response) override {
    const MutexLock lock(state.mutex);
    state.submitted.push_back(*request);
    if (request->request().priority() > 100) return Refused();
    *response->mutable_build() = state.build;
    response->mutable_build()->set_state(v1::BUILD_STATE_QUEUED);
    response->mutable_build()->clear_outcome();
    return grpc::Status::OK;
  }

  grpc::Status GetBuild(grpc::ServerContext*, const v1::GetBuildRequest* request,
                        v1::GetBuildResponse* response) override {
    const MutexLock lock(state.mutex);
    if (state.build.id().rfind(request->build_id(), 0) != 0) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND,
                          "find build: " + request->build_id() + ": there is none");
    }
    *response->mutable_build() = state.build;
    return grpc::Status::OK;
  }

  grpc::Status ListArtifacts(grpc::ServerContext*, const v1::ListArtifactsRequest*,
                             v1::ListArtifactsResponse* response) override {
    const MutexLock lock(state.mutex);
    *response->mutable_artifacts() = state.build.artifacts();
    return grpc::Status::OK;
  }

  grpc::Status CancelBuild(grpc::ServerContext*, const v1::CancelBuildRequest*,
                           v1::CancelBuildResponse* response) override {
    const MutexLock lock(state.mutex);
    ++state.cancels;
    state.build.set_state(v1::BUILD_STATE_FINISHED);
    state.build.set_outcome(v1::OUTCOME_CANCELLED);
    *response->mutable_build() = state.build;
    state.changed.notify_all();
    return grpc::Status::OK;
  }

  grpc::Status WatchBuild(grpc::ServerContext* context, const v1::WatchBuildRequest* request,
                          grpc::ServerWriter<v1::WatchBuildResponse>* writer) override {
    WatchScript script;
    int cancels_before = 0;
    {
      const MutexLock lock(state.mutex);
      state.watched.push_back(*request);
      script = state.scripts[std::min(state.watched.size(), state.scripts.size()) - 1];
      cancels_before = state.cancels;
      state.changed.notify_all();
    }
    for (const auto& message : script.messages) writer->Write(message);
    std::unique_lock<Mutex> lock(state.mutex);
    while (script.hold && state.cancels == cancels_before && !state.ending && !context->IsCancelled()) {
      state.changed.wait_for(lock, std::chrono::milliseconds(20));
    }
    return grpc::Status(static_cast<grpc::StatusCode>(script.status_code),
                        script.status_code == 0 ? "" : "scripted");
  }

  template <typename Response>
  grpc::Status Send(int64_t offset, grpc::ServerWriter<Response>* writer) {
    std::string bytes;
    size_t end = 0;
    {
      const MutexLock lock(state.mutex);
      state.offsets.push_back(offset);
      bytes = state.bytes;
      end = state.break_after > 0 ? std::min(bytes.size(), state.break_after) : bytes.size();
      state.break_after = 0;
    }
    for (size_t at = static_cast<size_t>(offset); at < end; at += 1000) {
      Response part;
      part.set_offset(static_cast<int64_t>(at));
      part.set_data(bytes.substr(at, std::min<size_t>(1000, end - at)));
      writer->Write(part);
    }
    return end < bytes.size() ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "scripted") : grpc::Status::OK;
  }

  grpc::Status ReadLog(grpc::ServerContext*, const v1::ReadLogRequest* request,
                       grpc::ServerWriter<v1::ReadLogResponse>* writer) override {
    return Send(request->offset(), writer);
  }
  grpc::Status ReadArtifact(grpc::ServerContext*, const v1::ReadArtifactRequest* request,
                            grpc::ServerWriter<v1::ReadArtifactResponse>* writer) override {
    return Send(request->offset(), writer);
  }

  grpc::Status ExplainPending(grpc::ServerContext*, const v1::ExplainPendingRequest*,
                              v1::ExplainPendingResponse* response) override {
    const MutexLock lock(state.mutex);
    *response = state.why;
    return grpc::Status::OK;
  }

  State& state;
  std::unique_ptr<grpc::Server> server;
};

FakeMaster::FakeMaster() : state_(new State), service_(new Service(*state_)) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(static_cast<v1::BuildService::Service*>(service_.get()));
  builder.RegisterService(static_cast<v1::FleetService::Service*>(service_.get()));
  service_->server = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakeMaster::~FakeMaster() {
  {
    const MutexLock lock(state_->mutex);
    state_->ending = true;
    state_->changed.notify_all();
  }
  service_->server->Shutdown();
}

void FakeMaster::SetWatch(std::vector<WatchScript> scripts) {
  const MutexLock lock(state_->mutex);
  state_->scripts = std::move(scripts);
}

void FakeMaster::SetBuild(const v1::Build& build) {
  const MutexLock lock(state_->mutex);
  state_->build = build;
}

void FakeMaster::SetExplanation(const v1::ExplainPendingResponse& why) {
  const MutexLock lock(state_->mutex);
  state_->why = why;
}

void FakeMaster::SetBytes(const std::string& bytes, size_t break_after) {
  const MutexLock lock(state_->mutex);
  state_->bytes = bytes;
  state_->break_after = break_after;
}

std::vector<v1::WatchBuildRequest> FakeMaster::watched() const {
  const MutexLock lock(state_->mutex);
  return state_->watched;
}

std::vector<v1::SubmitBuildRequest> FakeMaster::submitted() const {
  const MutexLock lock(state_->mutex);
  return state_->submitted;
}

std::vector<int64_t> FakeMaster::offsets() const {
  const MutexLock lock(state_->mutex);
  return state_->offsets;
}

int FakeMaster::cancels() const {
  const MutexLock lock(state_->mutex);
  return state_->cancels;
}

void FakeMaster::AwaitWatch(size_t calls) {
  std::unique_lock<Mutex> lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->watched.size() >= calls; });
}

}  // namespace rootwright::cli
