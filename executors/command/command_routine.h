#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "executors/executor.h"
#include "executors/source.h"
#include "executors/step.h"

namespace rootwright {

// A CommandBuild in our own terms, with every default filled in.
struct CommandRequest {
  EnvironmentSpec environment;
  absl::Duration boot_limit;
  // Its files are put into the working folder.
  std::optional<GitSource> source;
  std::vector<std::string> argv;
  // Added to PATH, HOME and LANG.
  std::map<std::string, std::string> variables;
  // Paths inside, absolute or relative to the working folder; each becomes an artifact.
  std::vector<std::string> collect;
  // Empty: a folder of the build's own.
  std::string working_directory;
};

// Steps: fetch_source (with a source), prepare_image, setup_environment, reach_environment,
// run_command, collect_files (with files to collect).
std::unique_ptr<Routine> MakeCommandRoutine(const CommandRequest& request, Executor& executor);

}  // namespace rootwright
