#include "agent/host.h"

#include <sys/sysinfo.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/build/limits.h"
#include "base/file.h"

namespace rootwright {
namespace {

using Result = HostCheck::Result;

int64_t HostMemory() {
  struct sysinfo info;
  return sysinfo(&info) == 0 ? static_cast<int64_t>(info.totalram) * info.mem_unit : 0;
}

int64_t DiskSize(const std::filesystem::path& folder) {
  struct statvfs info;
  if (statvfs(folder.c_str(), &info) != 0) return 0;
  return static_cast<int64_t>(info.f_blocks) * static_cast<int64_t>(info.f_frsize);
}

HostCheck CheckDisk(const AgentConfig& config) {
  HostCheck check{.name = "disk"};
  const int64_t wanted = config.default_limits.disk_bytes() * config.slots;
  const absl::StatusOr<int64_t> free = FreeBytes(config.state_folder);
  if (!free.ok()) {
    check.result = Result::kFailed;
    check.finding = std::string(free.status().message());
    check.remedy = "make the folder, or set state_folder";
    return check;
  }
  check.finding = absl::StrCat(SizeText(*free), " free in ", config.state_folder.string());
  if (*free < wanted) {
    // Builds rarely fill what they may; one that would not fit is refused with figures when it comes.
    check.result = *free < (int64_t{1} << 30) ? Result::kFailed : Result::kDegraded;
    absl::StrAppend(&check.finding, ", ", SizeText(wanted), " wanted for ", config.slots, " builds");
    check.remedy = "free some, or set state_folder or default_limits";
  }
  return check;
}

HostCheck CheckMemory(const AgentConfig& config) {
  HostCheck check{.name = "memory", .finding = absl::StrCat(SizeText(HostMemory()), " in all")};
  const int64_t wanted = config.default_limits.memory_bytes() * config.slots;
  if (HostMemory() < wanted) {
    check.result = Result::kDegraded;
    absl::StrAppend(&check.finding, ", ", SizeText(wanted), " wanted for ", config.slots, " builds");
    check.remedy = "fewer slots, or smaller default_limits";
  }
  return check;
}

v1::Architecture ToProto(Architecture architecture) {
  v1::Architecture proto = v1::ARCHITECTURE_UNSPECIFIED;
  v1::Architecture_Parse(absl::StrCat("ARCHITECTURE_", absl::AsciiStrToUpper(NamesOf(architecture).debian)), &proto);
  return proto;
}

const char* NameOf(Result result) {
  switch (result) {
    case Result::kOk:
      return "ok";
    case Result::kDegraded:
      return "degraded";
    case Result::kFailed:
      return "failed";
  }
  return "";
}

}  // namespace

HostFacts InspectHost(const AgentConfig& config, Executor& executor, std::stop_token stop) {
  HostFacts facts;
  facts.report = executor.Inspect(std::move(stop));
  facts.report.checks.push_back(CheckDisk(config));
  facts.report.checks.push_back(CheckMemory(config));
  if (!config.targets.empty()) {
    std::erase_if(facts.report.targets,
                  [&config](const HostReport::Target& target) { return config.targets.count(target.architecture) == 0; });
  }
  v1::Capabilities& capabilities = facts.capabilities;
  capabilities.set_slots(config.slots);
  capabilities.mutable_labels()->insert(config.labels.begin(), config.labels.end());
  for (const HostReport::Target& target : facts.report.targets) {
    v1::TargetSupport& support = *capabilities.add_targets();
    support.set_architecture(ToProto(target.architecture));
    support.set_isolation(v1::ISOLATION_MACHINE);
    support.set_accelerated(target.accelerated);
    support.add_routines("rootfs");
    support.add_routines("command");
  }
  capabilities.set_memory_bytes(HostMemory());
  capabilities.set_disk_bytes(DiskSize(config.state_folder));
  capabilities.set_cpus(static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
  *capabilities.mutable_default_limits() = config.default_limits;
  *capabilities.mutable_maximum_limits() = config.maximum_limits;
  return facts;
}

v1::HostCheck ToProto(const HostCheck& check) {
  v1::HostCheck proto;
  proto.set_name(check.name);
  proto.set_finding(check.finding);
  proto.set_remedy(check.remedy);
  proto.set_result(check.result == Result::kOk         ? v1::HostCheck::RESULT_OK
                   : check.result == Result::kDegraded ? v1::HostCheck::RESULT_DEGRADED
                                                       : v1::HostCheck::RESULT_FAILED);
  return proto;
}

std::string ToJson(const HostFacts& facts) {
  nlohmann::json root;
  root["checks"] = nlohmann::json::array();
  root["targets"] = nlohmann::json::array();
  for (const HostCheck& check : facts.report.checks) {
    root["checks"].push_back({{"name", check.name},
                              {"result", NameOf(check.result)},
                              {"finding", check.finding},
                              {"remedy", check.remedy}});
  }
  for (const HostReport::Target& target : facts.report.targets) {
    root["targets"].push_back({{"architecture", NamesOf(target.architecture).debian},
                               {"isolation", "machine"},
                               {"accelerated", target.accelerated}});
  }
  return root.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string ToText(const HostFacts& facts) {
  std::string text;
  for (const HostCheck& check : facts.report.checks) {
    absl::StrAppend(&text, check.name, ": ", NameOf(check.result), ": ", check.finding,
                    check.remedy.empty() ? "" : "; ", check.remedy, "\n");
  }
  for (const HostReport::Target& target : facts.report.targets) {
    absl::StrAppend(&text, "can build: ", NamesOf(target.architecture).debian, " (machine",
                    target.accelerated ? ", KVM" : "", ")\n");
  }
  return text;
}

}  // namespace rootwright
