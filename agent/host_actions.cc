#include "agent/host_actions.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/build/limits.h"
#include "agent/state_lock.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status.h"

namespace rootwright {
namespace {

void LogToStderr(OutputStream, absl::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

ProgressSink PrintPhases() {
  return [last = std::string()](const ProgressUpdate& update) mutable {
    if (std::exchange(last, update.phase) != update.phase) std::printf("%s\n", update.phase.c_str());
    std::fflush(stdout);
  };
}

// The steps of the routine, without what each is at.
ProgressSink PrintSteps() {
  return [last = std::string()](const ProgressUpdate& update) mutable {
    if (!absl::StartsWith(update.phase, "making ") || std::exchange(last, update.item) == update.item) return;
    std::printf("%s: %s\n", update.phase.c_str(), update.item.c_str());
    std::fflush(stdout);
  };
}

}  // namespace

bool PrintHostReport(const AgentConfig& config, HostParts& host, bool json, std::stop_token stop) {
  HostReport report = InspectHost(config, *host.executors, std::move(stop));
  report.checks.push_back(host.roots->Check());
  std::puts((json ? ToJson(report) : ToText(report)).c_str());
  return std::none_of(report.checks.begin(), report.checks.end(),
                      [](const HostCheck& check) { return check.result == HostCheck::Result::kFailed; });
}

absl::Status MakeImage(Executor& machines, Architecture architecture, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const ImageInfo image,
                      machines.PrepareImage(architecture, PrintPhases(), LogToStderr, std::move(stop)));
  std::printf("%s sha256:%s\n", image.name.c_str(), image.digest.c_str());
  return absl::OkStatus();
}

absl::Status MakeRoot(const AgentConfig& config, HostParts& host, Architecture architecture,
                      std::stop_token stop) {
  const StatePaths paths(config.state_folder);
  RW_ASSIGN_OR_RETURN(const UniqueFd lock, LockState(paths));
  RW_RETURN_IF_ERROR(MakeFolders(paths.work()));
  const BuildLimits limits = FillLimits(config.default_limits, {});
  EnvironmentSpec spec;
  spec.build_id = absl::StrCat("make-", RandomHex(8));
  spec.architecture = architecture;
  spec.vcpus = limits.vcpus;
  spec.memory_bytes = limits.memory_bytes;
  spec.disk_bytes = limits.disk_bytes;
  spec.processes = limits.processes;
  spec.work_folder = paths.work() / spec.build_id;
  const auto root = host.roots->Prepare("", spec, limits.boot, PrintSteps(), LogToStderr, std::move(stop));
  std::error_code ignored;
  std::filesystem::remove_all(spec.work_folder, ignored);
  RW_RETURN_IF_ERROR(root.status());
  std::printf("%s sha256:%s %s\n", root->name.c_str(), root->digest.c_str(), root->tree.c_str());
  return absl::OkStatus();
}

}  // namespace rootwright
