#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "executors/command/command_routine.h"
#include "executors/preparation.h"
#include "executors/source.h"
#include "executors/step.h"

namespace rootwright {

// What the steps of one command build share. Owned by the routine; only the build's thread
// touches it.
struct CommandState {
  CommandState(const CommandRequest& asked, Executor& executor)
      : request(asked), preparation{executor, asked.environment, asked.boot_limit, {}, nullptr, false} {}

  std::filesystem::path source_folder() const { return request.environment.private_folder() / "source"; }
  std::filesystem::path artifact_folder() const { return request.environment.private_folder() / "artifacts"; }
  // Where the command runs, inside.
  std::string working_directory() const {
    return request.working_directory.empty() ? "/var/tmp/build" : request.working_directory;
  }

  const CommandRequest request;
  Preparation preparation;
  // fetch_source; empty commit: none was asked for.
  FetchedSource source;
  // collect_files.
  std::vector<ArtifactFile> artifacts;
};

// Puts the source's files into the working folder and runs the command there.
std::unique_ptr<Step> MakeRunCommand(CommandState& state);

// Takes out the files that were asked for; one that is missing is the user's failure.
std::unique_ptr<Step> MakeCollectFiles(CommandState& state);

}  // namespace rootwright
