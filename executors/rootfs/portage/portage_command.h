#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "executors/rootfs/rootfs_state.h"
#include "executors/rootfs/target_command.h"
#include "executors/step.h"

namespace rootwright {

// Runs one of our Python programs beside Portage with emerge's options and the world list as its arguments.
// What it writes on descriptor 3 goes to `take`; its own and emerge's output goes to the log.
absl::StatusOr<TargetOutcome> RunPortageProgram(RootfsState& state, StepContext& context,
                                                absl::string_view program,
                                                std::function<void(absl::string_view)> take);

// Keeps a text as an artifact of the build, however it ends. One of the same name is replaced.
absl::Status AddRecord(RootfsState& state, const std::string& name, const std::string& content,
                       const std::string& media_type);

}  // namespace rootwright
