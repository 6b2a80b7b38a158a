#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "executors/network/network_program.h"
#include "executors/network/outbound_network.h"

namespace rootwright {

// The host's end of a machine's network card: passt(1) turns its frames into sockets. A guest may send any
// frame, to 127.0.0.1 as well, and passt would take that for the host's own; so it works in a network
// namespace made for this machine, which has a way out (OutboundNetwork) and a loopback on which nobody
// listens.
class MachineNetwork {
 public:
  // Listens at `socket`, for QEMU. Before the machine starts.
  static absl::StatusOr<std::unique_ptr<MachineNetwork>> Listen(const std::filesystem::path& socket,
                                                                const std::string& whose);

  // Takes the connection of the machine, which has started; the card works then. Called once. `is_machine`
  // says of a process whether it is that, as others of the host may connect, too. NetworkProgram's errors.
  absl::Status Connect(const std::function<bool(pid_t)>& is_machine, Deadline deadline, std::stop_token stop);

 private:
  MachineNetwork(UniqueFd listener, std::string whose)
      : listener_(std::move(listener)), whose_(std::move(whose)) {}

  absl::StatusOr<UniqueFd> Accept(const std::function<bool(pid_t)>& is_machine, Deadline deadline,
                                  std::stop_token stop);

  UniqueFd listener_;
  const std::string whose_;
  std::unique_ptr<NetworkProgram> holder_;
  std::unique_ptr<OutboundNetwork> way_out_;
  std::unique_ptr<NetworkProgram> card_;
};

}  // namespace rootwright
