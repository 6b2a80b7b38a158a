#include "ci/master/options.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace rootwright::master {
namespace {

absl::Status Wrong(absl::string_view flag, absl::string_view value, absl::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("option ", flag, ": '", value, "': ", wanted));
}

absl::Status TakeTime(absl::string_view flag, const std::string& value, absl::Duration* time) {
  if (absl::ParseDuration(value, time) && *time > absl::ZeroDuration() && *time <= absl::Hours(24)) {
    return absl::OkStatus();
  }
  return Wrong(flag, value, "must be a time of at most 24h, e.g. 5s, 1m30s");
}

absl::Status Take(absl::string_view flag, const std::string& value, Options* options) {
  if (flag == "--listen") {
    if (!absl::StrContains(value, ':'))
      return Wrong(flag, value, "must be HOST:PORT; port 0 is any free one");
    options->listen = value;
  } else if (flag == "--state") {
    options->state = value;
  } else if (flag == "--address-file") {
    options->address_file = value;
  } else if (flag == "--heartbeat") {
    return TakeTime(flag, value, &options->heartbeat);
  } else if (flag == "--session-timeout") {
    return TakeTime(flag, value, &options->session_timeout);
  } else if (flag == "--lease") {
    return TakeTime(flag, value, &options->lease);
  } else if (flag == "--retry-wait") {
    return TakeTime(flag, value, &options->retry_wait);
  } else if (flag == "--max-artifact-bytes") {
    if (!absl::SimpleAtoi(value, &options->max_artifact_bytes) || options->max_artifact_bytes <= 0) {
      return Wrong(flag, value, "must be a number of bytes");
    }
  } else if (flag == "--log-level") {
    if (value != "debug" && value != "info" && value != "warn" && value != "error") {
      return Wrong(flag, value, "must be debug, info, warn or error");
    }
    options->log_level = value;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("unknown option '", flag, "'; --help lists all"));
  }
  return absl::OkStatus();
}

}  // namespace

const char kHelp[] = R"(Usage: rootwright-master [OPTION…]

The reference master: takes builds from CI and people, gives them to agents, keeps what they say and return.
Everything it remembers is in one folder, made on first start.

  --listen HOST:PORT         where agents, plugins and the CLI dial        127.0.0.1:7420
  --state FOLDER             database, logs and artifacts                  /var/lib/rootwright-master
  --address-file FILE        write the bound address there, for port 0
  --heartbeat TIME           how often agents say that they are alive      5s
  --session-timeout TIME     an agent not heard of for so long is offline  20s
  --lease TIME               then its builds are given to others; longer than the session timeout   60s
  --retry-wait TIME          before a build that the farm failed is tried again; then six times as long   5s
  --max-artifact-bytes N     of one artifact                               64 GiB
  --log-level LEVEL          debug, info, warn, error                      info
  --help, --version

Examples:
  rootwright-master
  rootwright-master --listen 127.0.0.1:0 --state ./state --address-file ./master.address
  grpcurl -plaintext 127.0.0.1:7420 list
  grpcurl -plaintext 127.0.0.1:7420 grpc.health.v1.Health/Check

There is no encryption and no login yet: listen only where everybody who can connect may build.
Exit status: 0 ended by SIGTERM or SIGINT, 1 could not start, 2 a mistake on the command line.
)";

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string flag = arguments[i];
    if (flag == "--help" || flag == "-h") {
      options.show = Show::kHelp;
      return options;
    }
    if (flag == "--version") {
      options.show = Show::kVersion;
      return options;
    }
    std::string value;
    if (const size_t equals = flag.find('='); equals != std::string::npos) {
      value = flag.substr(equals + 1);
      flag.resize(equals);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    }
    if (value.empty())
      return absl::InvalidArgumentError(absl::StrCat("option ", flag, ": a value is missing"));
    RW_RETURN_IF_ERROR(Take(flag, value, &options));
  }
  return options;
}

}  // namespace rootwright::master
