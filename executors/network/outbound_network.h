#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "executors/executor.h"
#include "executors/network/network_program.h"

namespace rootwright {

// A way out of a network namespace, in user mode, by pasta(1): TCP, UDP and ping go to wherever the host's
// own network reaches, and nothing comes in. The host's loopback is out of reach: what the namespace's kernel
// sends to 127.0.0.0/8 stays in it, and no address stands for the host. The addresses are those of
// outbound_addresses.h.
class OutboundNetwork {
 public:
  // Gives the namespace at `path`, e.g. "/proc/17/ns/net", the interface eth0, and is back once it works. The
  // agent has to be root. NetworkProgram's errors; NotFound without pasta.
  static absl::StatusOr<std::unique_ptr<OutboundNetwork>> Join(const std::string& path,
                                                               const std::string& whose, Deadline deadline,
                                                               std::stop_token stop);

 private:
  explicit OutboundNetwork(std::unique_ptr<NetworkProgram> program) : program_(std::move(program)) {}

  const std::unique_ptr<NetworkProgram> program_;
};

// Whether this host can do it. Degraded, not failed, where it cannot: most builds need none.
HostCheck CheckOutboundNetwork();

}  // namespace rootwright
