#include "executors/network/machine_network.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wait.h"

namespace rootwright {
namespace {

// As a number in passt; the standard streams come before it.
constexpr int kCardFd = 3;

// A process that does nothing but be in a network namespace of its own. In a user namespace as well: pasta,
// which has no capabilities when it joins, may join what its own user made.
SubprocessSpec Holder() {
  return {.argv = {"unshare", "--user", "--net", "sh", "-c", "echo $$ >\"$2\" && exec sleep infinity", "sh"}};
}

}  // namespace

absl::StatusOr<std::unique_ptr<MachineNetwork>> MachineNetwork::Listen(const std::filesystem::path& socket,
                                                                       const std::string& whose) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.native().size() >= sizeof address.sun_path)
    return absl::FailedPreconditionError(
        absl::StrCat("listen for ", whose, ": ", socket.string(), ": too long for a socket"));
  std::strcpy(address.sun_path, socket.c_str());
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return ErrnoStatus(errno, "listen for", whose);
  unlink(socket.c_str());
  // Anybody who gets there may connect; Accept takes the machine alone.
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(socket.c_str(), 0666) != 0 || listen(listener.get(), 8) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen for ", whose, " at"), socket.string());
  }
  return std::unique_ptr<MachineNetwork>(new MachineNetwork(std::move(listener), whose));
}

absl::StatusOr<UniqueFd> MachineNetwork::Accept(const std::function<bool(pid_t)>& is_machine,
                                                Deadline deadline, std::stop_token stop) {
  const StopFd stopped(std::move(stop));
  for (;;) {
    RW_RETURN_IF_ERROR(WaitFor(listener_.get(), POLLIN, deadline, stopped,
                               absl::StrCat("network of ", whose_, ": wait for QEMU"))
                           .status());
    UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
      return ErrnoStatus(errno, "connect the network of", whose_);
    ucred who{};
    socklen_t size = sizeof who;
    if (peer && getsockopt(peer.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 && is_machine(who.pid)) {
      return peer;
    }
  }
}

absl::Status MachineNetwork::Connect(const std::function<bool(pid_t)>& is_machine, Deadline deadline,
                                     std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const UniqueFd peer, Accept(is_machine, deadline, stop));
  listener_.reset();
  RW_ASSIGN_OR_RETURN(holder_, NetworkProgram::Start(Holder(), whose_, deadline, stop));
  const std::string space = absl::StrCat("/proc/", holder_->pid(), "/ns/net");
  RW_ASSIGN_OR_RETURN(way_out_, OutboundNetwork::Join(space, whose_, deadline, stop));
  SubprocessSpec passt;
  // Its addresses are those that it finds in the namespace.
  passt.argv = {"nsenter",
                absl::StrCat("--net=", space),
                "--",
                "passt",
                "--foreground",
                "--stderr",
                "--quiet",
                "--ipv4-only",
                "--runas",
                "0",
                "--no-map-gw",
                "-t",
                "none",
                "-u",
                "none",
                "--no-dhcp",
                "--no-dhcpv6",
                "--no-ndp",
                "--no-ra",
                "--fd",
                absl::StrCat(kCardFd)};
  passt.descriptors = {{peer.get(), kCardFd}};
  RW_ASSIGN_OR_RETURN(card_, NetworkProgram::Start(std::move(passt), whose_, deadline, std::move(stop)));
  return absl::OkStatus();
}

}  // namespace rootwright
