#include "executors/guest/program/network.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace rootwright::guest {
namespace {

bool Parse(const std::string& text, sockaddr& to) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) return false;
  std::memcpy(&to, &address, sizeof to);
  return true;
}

bool BringUp(int fd, ifreq& request) {
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return false;
  request.ifr_flags |= IFF_UP;
  return ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

ifreq RequestFor(const char* name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  return request;
}

}  // namespace

void BringLoopbackUp() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  ifreq request = RequestFor("lo");
  BringUp(fd, request);
  close(fd);
}

Problem SetUpCard(const char* name, const std::string& address, const std::string& netmask,
                  const std::string& gateway) {
  ifreq own = RequestFor(name);
  ifreq mask = RequestFor(name);
  ifreq up = RequestFor(name);
  rtentry route{};
  if (!Parse(address, own.ifr_addr)) return {EINVAL, "not an address: " + address};
  if (!Parse(netmask, mask.ifr_netmask)) return {EINVAL, "not a netmask: " + netmask};
  if (!Parse(gateway, route.rt_gateway)) return {EINVAL, "not a gateway: " + gateway};
  Parse("0.0.0.0", route.rt_dst);
  Parse("0.0.0.0", route.rt_genmask);
  route.rt_flags = RTF_UP | RTF_GATEWAY;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Problem::Of(errno, "open a socket", name);
  Problem problem;
  if (ioctl(fd, SIOCSIFADDR, &own) != 0)
    problem = Problem::Of(errno, "set the address of", name);
  else if (ioctl(fd, SIOCSIFNETMASK, &mask) != 0)
    problem = Problem::Of(errno, "set the netmask of", name);
  else if (!BringUp(fd, up))
    problem = Problem::Of(errno, "bring up", name);
  else if (ioctl(fd, SIOCADDRT, &route) != 0)
    problem = Problem::Of(errno, "add the route by", gateway);
  close(fd);
  return problem;
}

}  // namespace rootwright::guest
