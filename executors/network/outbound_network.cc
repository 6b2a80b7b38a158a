#include "executors/network/outbound_network.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/find_program.h"
#include "base/status.h"
#include "executors/network/outbound_addresses.h"

namespace rootwright {
namespace {

constexpr char kTun[] = "/dev/net/tun";

}  // namespace

absl::StatusOr<std::unique_ptr<OutboundNetwork>> OutboundNetwork::Join(const std::string& path,
                                                                       const std::string& whose,
                                                                       Deadline deadline,
                                                                       std::stop_token stop) {
  SubprocessSpec pasta;
  pasta.argv = {
      "pasta", "--foreground", "--stderr", "--quiet", "--ipv4-only", "--config-net",
      // Its user keeps no capability once the interface is there, and sees an empty folder for a root.
      "--runas", "0", "--netns-only", "--netns", path, "--ns-ifname", "eth0",
      // Nothing stands for the host, and nothing is forwarded, in either direction.
      "--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none",
      // All is set up by --config-net.
      "--no-dhcp", "--no-dhcpv6", "--no-ndp", "--no-ra", "--address", kOutboundAddress, "--netmask",
      kOutboundNetmask, "--gateway", kOutboundGateway, "--dns-forward", kOutboundResolver};
  RW_ASSIGN_OR_RETURN(std::unique_ptr<NetworkProgram> program,
                      NetworkProgram::Start(std::move(pasta), whose, deadline, std::move(stop)));
  return std::unique_ptr<OutboundNetwork>(new OutboundNetwork(std::move(program)));
}

HostCheck CheckOutboundNetwork() {
  HostCheck check{"outbound network", HostCheck::Result::kDegraded, "", "apt-get install passt util-linux"};
  std::vector<std::string> missing;
  for (const char* tool : {"passt", "pasta", "nsenter", "unshare"}) {
    if (FindProgram(tool).empty()) missing.push_back(tool);
  }
  if (!missing.empty()) {
    check.finding = absl::StrCat(absl::StrJoin(missing, ", "), ": missing; no build can ask for a network");
    return check;
  }
  if (access(kTun, R_OK | W_OK) != 0) {
    check.finding = absl::StrCat(kTun, ": cannot be opened; no build can ask for a network");
    check.remedy = "modprobe tun, and run the agent as root";
    return check;
  }
  return {check.name, HostCheck::Result::kOk, "passt, for builds that ask for it", ""};
}

}  // namespace rootwright
