#include "executors/rootfs/portage/portage_command.h"

#include <utility>

#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "executors/rootfs/portage/portage_build.h"

namespace rootwright {

absl::StatusOr<TargetOutcome> RunPortageProgram(RootfsState& state, StepContext& context,
                                                absl::string_view program,
                                                std::function<void(absl::string_view)> take) {
  const PortageBuild& portage = state.portage;
  TargetScript script{"exec 3>&1 1>&2; exec python3 - \"$@\"",
                      std::string(program),
                      std::move(take),
                      {},
                      PortageVariables(portage.settings)};
  script.arguments = EmergeOptions(portage.settings);
  script.arguments.insert(script.arguments.end(), portage.world.begin(), portage.world.end());
  return RunInTarget(state, context, script);
}

absl::Status AddRecord(RootfsState& state, const std::string& name, const std::string& content,
                       const std::string& media_type) {
  RW_RETURN_IF_ERROR(MakeFolders(state.paths.records()));
  const std::filesystem::path path = state.paths.records() / name;
  RW_RETURN_IF_ERROR(WriteFileAtomically(path, content));
  std::erase_if(state.records, [&](const ArtifactFile& record) { return record.name == name; });
  state.records.push_back(
      {name, path, static_cast<int64_t>(content.size()), Sha256::Of(content), media_type});
  return absl::OkStatus();
}

}  // namespace rootwright
