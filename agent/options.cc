#include "agent/options.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace rootwright {

const char kHelp[] = R"(Usage: rootwright-agent [OPTION…]

Runs builds on this host for a master, each in a disposable machine of its own.

  --config FILE       the configuration; examples/agent.textproto explains it      all defaults
  --master HOST:PORT  where the master listens, over what the configuration says
  --state FOLDER      the state folder, over what the configuration says           /var/lib/rootwright
  --check-host        say what this host can build and what it lacks, and end;
                      exit code 1 when a check failed
  --json              with --check-host: as JSON
  --make-image ARCH   make the machine image for a Debian architecture, and end
  --make-root ARCH    make the root in which Portage packages are built for an architecture, and end; no
                      agent may be using the state folder
  --help, --version

Signals: the first TERM or INT takes no new builds, gives running ones `shutdown_grace` (5 s), then ends them so that the
master tries them again elsewhere, and says goodbye. A second one does not wait.

Examples:
  rootwright-agent --config /etc/rootwright/agent.textproto
  rootwright-agent --master ci.example:7420 --state /srv/rootwright
  rootwright-agent --check-host
  rootwright-agent --make-image arm64
  rootwright-agent --make-root amd64
)";

namespace {

absl::Status Take(const std::string& option, const std::string& value, AgentOptions* options) {
  if (option == "--config") {
    options->config = value;
  } else if (option == "--master") {
    options->master = value;
  } else if (option == "--state") {
    options->state = value;
  } else {
    const auto architecture = ArchitectureFromDebianName(value);
    if (!architecture) {
      return absl::InvalidArgumentError(
          absl::StrCat("option ", option, ": '", value, "': must be an architecture, e.g. arm64"));
    }
    options->action =
        option == "--make-root" ? AgentOptions::Action::kMakeRoot : AgentOptions::Action::kMakeImage;
    options->architecture = *architecture;
  }
  return absl::OkStatus();
}

bool TakeSwitch(const std::string& option, AgentOptions* options) {
  if (option == "--json") {
    options->json = true;
  } else if (option == "--check-host") {
    options->action = AgentOptions::Action::kCheckHost;
  } else if (option == "--help" || option == "-h") {
    options->action = AgentOptions::Action::kHelp;
  } else if (option == "--version") {
    options->action = AgentOptions::Action::kVersion;
  } else {
    return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<AgentOptions> ParseOptions(const std::vector<std::string>& words) {
  AgentOptions options;
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const std::string option = words[i].substr(0, equals);
    if (equals == std::string::npos && TakeSwitch(option, &options)) continue;
    if (option != "--config" && option != "--master" && option != "--state" && option != "--make-image" &&
        option != "--make-root") {
      return absl::InvalidArgumentError(absl::StrCat("unknown option '", words[i], "'; --help lists all"));
    }
    if (equals == std::string::npos && i + 1 == words.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("option ", option, ": its value is missing; see --help"));
    }
    RW_RETURN_IF_ERROR(
        Take(option, equals == std::string::npos ? words[++i] : words[i].substr(equals + 1), &options));
  }
  return options;
}

}  // namespace rootwright
