#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "executors/executor.h"
#include "executors/step.h"

namespace rootwright {

// The environment of a build on its way from wish to running machine; part of the shared
// state of every routine.
struct Preparation {
  Executor& executor;
  EnvironmentSpec spec;
  // Longest time from start to first answer.
  absl::Duration boot_limit;

  // Set by prepare_image.
  ImageInfo image;
  // Set by setup_environment, reached by reach_environment.
  std::unique_ptr<Environment> environment;
  bool reached = false;

  // Ends the environment, if there is one.
  absl::Status End(absl::Duration grace);
};

// Adds the steps prepare_image, setup_environment and reach_environment, which work on
// `preparation`; it must outlive them.
void AddPreparingSteps(Preparation& preparation, std::vector<std::unique_ptr<Step>>& steps);

}  // namespace rootwright
