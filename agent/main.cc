// rootwright-agent: runs builds on this host. A checklist; what each line does stands in its header.

#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "agent/agent.h"
#include "agent/config.h"
#include "agent/host.h"
#include "agent/host_actions.h"
#include "agent/options.h"
#include "base/log.h"
#include "base/version.h"

namespace {

using namespace rootwright;

// As the CLI's: 2 is a mistake on the command line or in the configuration.
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

int Complain(const absl::Status& status, int exit_code) {
  std::fprintf(stderr, "rootwright-agent: %s\n", std::string(status.message()).c_str());
  return exit_code;
}

sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Asks to stop when one of the signals, which are blocked, comes.
class StopOnSignal {
 public:
  explicit StopOnSignal(const sigset_t& signals)
      : waiter_([this, signals](const std::stop_token& over) {
          constexpr timespec kLook = {.tv_sec = 0, .tv_nsec = 100'000'000};
          while (!over.stop_requested()) {
            if (sigtimedwait(&signals, nullptr, &kLook) > 0) stop_.request_stop();
          }
        }) {}
  std::stop_token token() const { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::jthread waiter_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto options = ParseOptions({argv + 1, argv + argc});
  if (!options.ok()) return Complain(options.status(), kExitUsage);
  if (options->action == AgentOptions::Action::kHelp) return std::fputs(kHelp, stdout) < 0;
  if (options->action == AgentOptions::Action::kVersion)
    return std::printf("rootwright-agent %s\n", kVersion) < 0;

  auto config = options->config.empty() ? ParseAgentConfig("", "defaults") : ReadAgentConfig(options->config);
  if (!config.ok()) return Complain(config.status(), kExitUsage);
  if (options->master) config->master = *options->master;
  if (options->state) config->state_folder = *options->state;
  StartLogging(config->log_level.c_str());
  // Before any thread starts, so that all of them leave these signals to us.
  const sigset_t signals = BlockSignals();
  // A thread for each build and gRPC's own: without this each gets a heap that is never given back.
  mallopt(M_ARENA_MAX, 2);

  auto host = MakeHostParts(*config);
  if (!host.ok()) return Complain(host.status(), kExitFailed);
  using Action = AgentOptions::Action;
  if (options->action != Action::kRun) {
    const StopOnSignal stop(signals);
    if (options->action == Action::kCheckHost) {
      const bool well = PrintHostReport(*config, *host, options->json, stop.token());
      return well || options->json ? 0 : kExitFailed;
    }
    const absl::Status made =
        options->action == Action::kMakeImage
            ? MakeImage(host->executors->machines(), options->architecture, stop.token())
            : MakeRoot(*config, *host, options->architecture, stop.token());
    return made.ok() ? 0 : Complain(made, kExitFailed);
  }

  auto agent = Agent::Start(*config, *std::move(host));
  if (!agent.ok()) return Complain(agent.status(), kExitFailed);
  const absl::Status ended = (*agent)->Run(signals);
  return ended.ok() ? 0 : Complain(ended, kExitFailed);
}
