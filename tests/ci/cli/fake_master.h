#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "rootwright/v1/build_service.pb.h"
#include "rootwright/v1/fleet_service.pb.h"

namespace rootwright::cli {

// A master over real gRPC that knows one build, whose every stream may be scripted. Any thread.
class FakeMaster {
 public:
  FakeMaster();
  ~FakeMaster();

  // "127.0.0.1:port".
  const std::string& address() const { return address_; }

  // What a WatchBuild sends before it ends with the status; one entry for each call, the
  // last one again for all later ones. With `hold` the stream stays open until a cancel.
  struct WatchScript {
    std::vector<v1::WatchBuildResponse> messages;
    int status_code = 0;
    bool hold = false;
  };
  void SetWatch(std::vector<WatchScript> scripts);
  void SetBuild(const v1::Build& build);
  void SetExplanation(const v1::ExplainPendingResponse& why);
  // Contents of the artifact or log; a call ends Unavailable after `break_after` bytes, once.
  void SetBytes(const std::string& bytes, size_t break_after = 0);

  std::vector<v1::WatchBuildRequest> watched() const;
  std::vector<v1::SubmitBuildRequest> submitted() const;
  std::vector<int64_t> offsets() const;
  int cancels() const;
  // Waits until WatchBuild was called so often.
  void AwaitWatch(size_t calls);

 private:
  struct State;
  struct Service;
  std::unique_ptr<State> state_;
  std::unique_ptr<Service> service_;
  std::string address_;
};

}  // namespace rootwright::cli
