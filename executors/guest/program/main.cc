// rootwright-guest: the farm's hand inside an environment. As a machine's first process it
// boots and serves the virtio-serial port; elsewhere it serves a unix socket.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "executors/guest/program/boot.h"
#include "executors/guest/program/console.h"
#include "executors/guest/program/port.h"
#include "executors/guest/program/server.h"
#include "executors/guest/program/session.h"

namespace {

using rootwright::guest::Line;
using rootwright::guest::Port;
using rootwright::guest::Powers;
using rootwright::guest::ProcessHome;
using rootwright::guest::Session;

constexpr char kUsage[] =
    "usage: rootwright-guest --socket PATH   listen there, for one host at a time\n"
    "       rootwright-guest --fd NUMBER     serve this connected socket until it closes\n"
    "       rootwright-guest --fds A B       the same, and shells on B\n"
    "As process 1, without arguments, it boots a machine.\n";

[[noreturn]] void ServeMachine() {
  Port port;
  if (!port.OpenVirtio(rootwright::guest::Boot())) rootwright::guest::PowerOff();
  Port shell_port;
  const std::string shells_device = rootwright::guest::ShellPort();
  const bool shells = !shells_device.empty() && shell_port.OpenVirtio(shells_device);
  rootwright::guest::Say("ready");
  ProcessHome home{rootwright::guest::CommandCgroup(), {}};
  Session session(Powers{true}, home);
  Session shell_session(Powers{}, home);
  std::vector<Line> lines = {{port, session}};
  if (shells) lines.push_back({shell_port, shell_session});
  rootwright::guest::Serve(lines);
  rootwright::guest::Say("powering off");
  rootwright::guest::PowerOff();
}

}  // namespace

int main(int argc, char** argv) {
  // In a container it is process 1 too, but it gets arguments there.
  if (getpid() == 1 && (argc < 3 || std::strncmp(argv[1], "--", 2) != 0)) ServeMachine();
  Port port;
  Port shell_port;
  bool shells = false;
  if (argc == 3 && std::strcmp(argv[1], "--socket") == 0) {
    if (!port.Listen(argv[2])) return 1;
  } else if (argc == 3 && std::strcmp(argv[1], "--fd") == 0) {
    port.Adopt(std::atoi(argv[2]));
  } else if (argc == 4 && std::strcmp(argv[1], "--fds") == 0) {
    port.Adopt(std::atoi(argv[2]));
    shell_port.Adopt(std::atoi(argv[3]));
    shells = true;
  } else {
    std::fputs(kUsage, stderr);
    return 2;
  }
  ProcessHome home;
  Session session(Powers{}, home);
  Session shell_session(Powers{}, home);
  std::vector<Line> lines = {{port, session}};
  if (shells) lines.push_back({shell_port, shell_session});
  rootwright::guest::Serve(lines);
  return 0;
}
