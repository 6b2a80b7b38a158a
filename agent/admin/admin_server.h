#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/build/builds.h"
#include "agent/build/drain.h"
#include "executors/executor.h"
#include "rootwright/v1/agent_admin_service.pb.h"

namespace rootwright {

// The agent's own port: AgentAdminService, grpc.health.v1 ("" for the whole, "link", "libvirt" and "disk" for the
// parts), reflection, and channelz. For people with grpcurl and for monitoring; builds do not need it.
class AdminServer {
 public:
  // All of it outlives the server.
  struct Parts {
    Builds& builds;
    Drain& drain;
    Executor& executor;
    // Whether the session with the master is up.
    std::function<bool()> linked;
    // Name, version, capabilities, checks; state and `linked` are filled in here.
    std::function<v1::GetStatusResponse()> status;
    // Its file system must have room.
    std::filesystem::path state_folder;
  };

  // `listen` is "host:port"; port 0 takes any free one. Unavailable when the address is taken.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const std::string& listen, const Parts& parts);
  virtual ~AdminServer() = default;

  // "127.0.0.1:42118".
  virtual std::string address() const = 0;
};

}  // namespace rootwright
