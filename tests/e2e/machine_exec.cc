// machine-exec SOCKET PROGRAM [ARGUMENT…]: runs the program in the machine whose guest channel is SOCKET,
// with its output on ours, and exits as it does.

#include <cstdio>
#include <string>
#include <vector>

#include "executors/guest/guest_channel.h"

int main(int argc, char** argv) {
  using namespace rootwright;
  if (argc < 3) {
    std::fprintf(stderr, "usage: machine-exec SOCKET PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  const Deadline deadline = Deadline::In(absl::Minutes(5));
  absl::StatusOr<std::unique_ptr<GuestChannel>> channel = GuestChannel::Connect(argv[1], deadline, {});
  if (!channel.ok()) {
    std::fprintf(stderr, "machine-exec: %s\n", channel.status().ToString().c_str());
    return 125;
  }
  EnvironmentCommand command;
  command.argv.assign(argv + 2, argv + argc);
  command.variables = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"LC_ALL", "C.UTF-8"}, {"HOME", "/root"}};
  const OutputSink sink = [](OutputStream stream, absl::string_view data) {
    std::fwrite(data.data(), 1, data.size(), stream == OutputStream::kStdout ? stdout : stderr);
  };
  const absl::StatusOr<CommandResult> result = (*channel)->Run(command, sink, deadline, {});
  if (!result.ok()) {
    std::fprintf(stderr, "machine-exec: %s\n", result.status().ToString().c_str());
    return 125;
  }
  return result->signal != 0 ? 128 + result->signal : result->exit_code;
}
