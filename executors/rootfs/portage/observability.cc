#include "executors/rootfs/portage/observability.h"

#include <algorithm>
#include <map>
#include <utility>

#include "executors/rootfs/portage/json_fields.h"

namespace rootwright {
namespace {

using nlohmann::json;

constexpr size_t kMostTasks = 256;
constexpr int64_t kMostPackages = 1000000;

int CountField(const json& object, const char* name) {
  return static_cast<int>(std::clamp<int64_t>(NumberField(object, name, 0), 0, kMostPackages));
}

}  // namespace

std::optional<EmergeSnapshot> ReadSnapshot(const json& line) {
  if (TextField(line, "type") != "snapshot") return std::nullopt;
  EmergeSnapshot snapshot;
  // Beyond the year 9999 no clock is believed.
  const double at = RealField(line, "timestamp", 0);
  snapshot.at = absl::FromUnixMillis(static_cast<int64_t>(std::clamp(at, 0.0, 253402300799.0) * 1000));
  if (const auto jobs = line.find("jobs"); jobs != line.end()) {
    snapshot.completed = CountField(*jobs, "completed");
    snapshot.failed = CountField(*jobs, "failed");
    snapshot.total = CountField(*jobs, "total");
  }
  for (const json& entry : ObjectsField(line, "tasks", kMostTasks)) {
    EmergeTask task;
    task.cpv = TextField(entry, "cpv");
    if (task.cpv.empty()) continue;
    task.root = TextField(entry, "root");
    task.phase = TextField(entry, "phase");
    task.binary = FlagField(entry, "binary");
    task.merging = TextField(entry, "kind") == "merge";
    // A thousand years are enough.
    task.elapsed = absl::Milliseconds(
        static_cast<int64_t>(std::clamp(RealField(entry, "elapsed", -1), -1.0, 3.2e10) * 1000));
    snapshot.tasks.push_back(std::move(task));
  }
  return snapshot;
}

std::string PhaseInWords(const EmergeTask& task) {
  static const auto* const kWords =
      new std::map<std::string, const char*>{{"", "starting"},
                                             {"clean", "starting"},
                                             {"setup", "setting up"},
                                             {"pretend", "checking"},
                                             {"nofetch", "fetching"},
                                             {"fetch", "fetching"},
                                             {"unpack", "unpacking"},
                                             {"prepare", "preparing"},
                                             {"configure", "configuring"},
                                             {"compile", "compiling"},
                                             {"test", "testing"},
                                             {"install", "installing"},
                                             {"instprep", "installing"},
                                             {"package", "packing"},
                                             {"preinst", "merging"},
                                             {"postinst", "merging"},
                                             {"prerm", "removing"},
                                             {"postrm", "removing"},
                                             {"cleanrm", "removing"},
                                             {"merge-wait", "waiting to merge"}};
  if (task.merging && task.phase != "merge-wait" && task.phase != "postinst") return "merging";
  const auto found = kWords->find(task.phase);
  return found == kWords->end() ? task.phase : found->second;
}

}  // namespace rootwright
