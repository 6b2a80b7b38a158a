#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/architecture.h"

namespace rootwright {

// The command line of rootwright-agent.
struct AgentOptions {
  enum class Action { kRun, kCheckHost, kMakeImage, kMakeRoot, kHelp, kVersion };
  Action action = Action::kRun;
  bool json = false;
  // Empty: all defaults.
  std::filesystem::path config;
  // Over what the configuration says.
  std::optional<std::string> master;
  std::optional<std::string> state;
  // Of kMakeImage and kMakeRoot.
  Architecture architecture = Architecture::kArm64;
};

// InvalidArgument says what is wrong with which option. Values stand as "--option VALUE" or "--option=VALUE".
absl::StatusOr<AgentOptions> ParseOptions(const std::vector<std::string>& words);

extern const char kHelp[];

}  // namespace rootwright
