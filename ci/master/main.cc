// rootwright-master: the reference master. A checklist; what each line does stands in its header.

#include <csignal>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "ci/master/options.h"
#include "ci/master/server.h"

namespace {

// As the CLI's: 2 is a mistake on the command line.
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

int Complain(const absl::Status& status, int exit_code) {
  std::fprintf(stderr, "rootwright-master: %s\n", std::string(status.message()).c_str());
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rootwright;

  const auto options = master::ParseOptions({argv + 1, argv + argc});
  if (!options.ok()) return Complain(options.status(), kExitUsage);
  if (options->show == master::Show::kHelp) {
    std::fputs(master::kHelp, stdout);
    return 0;
  }
  if (options->show == master::Show::kVersion) {
    std::printf("rootwright-master %s\n", kVersion);
    return 0;
  }
  StartLogging(options->log_level.c_str());

  // Before any thread starts, so that all of them leave these signals to us.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  auto times = master::LeaseTimes::Create(options->heartbeat, options->session_timeout, options->lease,
                                          options->retry_wait);
  if (!times.ok()) return Complain(times.status(), kExitUsage);
  auto server = master::Server::Start({options->listen, options->state, *times, options->max_artifact_bytes},
                                      Clock::Real());
  if (!server.ok()) return Complain(server.status(), kExitFailed);
  spdlog::info("rootwright-master {} serves {}, state in {}", kVersion, (*server)->address(),
               options->state.string());
  if (!options->address_file.empty()) {
    const absl::Status written =
        WriteFileAtomically(options->address_file, absl::StrCat((*server)->address(), "\n"));
    if (!written.ok()) return Complain(written, kExitFailed);
  }

  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("signal {}: going down", signal);
  return 0;
}
