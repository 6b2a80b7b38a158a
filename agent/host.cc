#include "agent/host.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/build/limits.h"
#include "base/file.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/container/container_executor.h"
#include "executors/network/outbound_network.h"
#include "executors/qemu/qemu_executor.h"
#include "proto/proto_architecture.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

// What the host keeps for itself, this program and its tools.
constexpr int64_t kHostMemory = int64_t{512} << 20;
// With less than this no build of use can run.
constexpr int64_t kLeastDisk = int64_t{1} << 30;

int64_t HostMemory() {
  struct sysinfo info = {};
  sysinfo(&info);
  return static_cast<int64_t>(info.totalram) * info.mem_unit;
}

// Beside the program in a build tree, in the system's folder once installed.
std::filesystem::path GuestPrograms(const AgentConfig& config, const std::filesystem::path& own_folder) {
  if (!config.guest_programs.empty()) return config.guest_programs;
  std::error_code error;
  const std::filesystem::path beside = own_folder.parent_path() / "guest";
  return std::filesystem::is_directory(beside, error) ? beside : "/usr/lib/rootwright/guest";
}

// In the build tree or the system's folder, as the guest programs.
std::filesystem::path PortageSpecificationFolder(const AgentConfig& config,
                                                 const std::filesystem::path& own_folder) {
  if (!config.portage_specification.empty()) return config.portage_specification;
  std::error_code error;
  const std::filesystem::path beside = own_folder.parent_path() / "share/portage-image";
  return std::filesystem::is_directory(beside, error) ? beside : "/usr/share/rootwright/portage-image";
}

// The state folder need not be there yet.
absl::StatusOr<int64_t> FreeDisk(const AgentConfig& config) {
  std::filesystem::path folder = config.state_folder;
  std::error_code error;
  while (!std::filesystem::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  return FreeBytes(folder);
}

HostCheck NetworkCheck(const AgentConfig& config) {
  HostCheck check = CheckOutboundNetwork();
  if (config.outbound_network) return check;
  return {check.name, HostCheck::Result::kOk, "turned off (outbound_network)", ""};
}

HostCheck DiskCheck(const AgentConfig& config) {
  const auto free = FreeDisk(config);
  if (!free.ok())
    return {"disk", HostCheck::Result::kFailed, std::string(free.status().message()), "set state_folder"};
  const int64_t wanted = config.default_limits.disk_bytes();
  const std::string finding = absl::StrCat(SizeText(*free), " free in ", config.state_folder.string());
  if (*free >= wanted) return {"disk", HostCheck::Result::kOk, finding, ""};
  return {"disk", *free < kLeastDisk ? HostCheck::Result::kFailed : HostCheck::Result::kDegraded,
          absl::StrCat(finding, ", ", SizeText(wanted), " wanted"), "free some, or set state_folder"};
}

HostCheck MemoryCheck(const AgentConfig& config) {
  const int64_t have = MemoryForBuilds(config);
  const int64_t wanted = config.default_limits.memory_bytes();
  const std::string finding = absl::StrCat(SizeText(have), " for builds");
  if (have >= wanted * config.slots) return {"memory", HostCheck::Result::kOk, finding, ""};
  return {"memory", have < wanted ? HostCheck::Result::kFailed : HostCheck::Result::kDegraded,
          absl::StrCat(finding, ", ", SizeText(wanted), " wanted for each of ", config.slots, " slots"),
          "set slots or default_limits.memory_bytes lower"};
}

}  // namespace

absl::StatusOr<HostParts> MakeHostParts(const AgentConfig& config) {
  std::error_code error;
  const std::filesystem::path own_folder =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  MachineImages::Options images;
  images.store = config.image_folder;
  images.apt = config.package_folder;
  const std::filesystem::path guest_programs = GuestPrograms(config, own_folder);
  images.guest_programs = guest_programs;
  images.unpack_program = own_folder / "rootwright-unpack";
  images.mirror = config.apt_mirror;
  images.keyring = config.apt_keyring;
  HostParts parts;
  parts.programs = own_folder;
  parts.images = std::make_unique<MachineImages>(std::move(images));
  QemuSettings settings;
  settings.libvirt.uri = config.libvirt_uri;
  settings.libvirt.loss_grace = config.libvirt_grace;
  settings.work_folder = StatePaths(config.state_folder).work();
  settings.targets = config.targets;
  RW_ASSIGN_OR_RETURN(std::unique_ptr<Executor> machines, QemuExecutor::Create(settings, *parts.images));
  ContainerSettings containers;
  containers.libvirt = settings.libvirt;
  containers.libvirt.uri = config.container_uri;
  containers.work_folder = settings.work_folder;
  containers.image_folder = config.image_folder;
  containers.guest_programs = guest_programs;
  containers.first_id = config.container_first_id;
  containers.required = config.targets.count(HostArchitecture()) != 0;
  RW_ASSIGN_OR_RETURN(std::unique_ptr<Executor> shared, ContainerExecutor::Create(containers, *parts.images));
  parts.executors = std::make_unique<HostExecutors>(std::move(machines), std::move(shared));
  RootfsHost rootfs;
  rootfs.package_cache = config.package_folder;
  rootfs.apt_mirror = config.apt_mirror;
  rootfs.apt_keyring = config.apt_keyring;
  rootfs.programs = own_folder;
  parts.roots = std::make_unique<HostBuildRoots>(
      HostBuildRoots::Options{config.build_root_folder, PortageSpecificationFolder(config, own_folder)},
      std::move(rootfs), parts.executors->of(Isolation::kMachine),
      parts.executors->of(Isolation::kContainer));
  return parts;
}

HostReport InspectHost(const AgentConfig& config, const HostExecutors& executors, std::stop_token stop) {
  HostReport report = executors.Inspect(std::move(stop));
  // A host that is to build for other architectures alone has no say in containers.
  std::erase_if(report.targets, [&](const HostReport::Target& target) {
    return !config.targets.empty() && config.targets.count(target.architecture) == 0;
  });
  report.checks.push_back(NetworkCheck(config));
  report.outbound_network = config.outbound_network && report.checks.back().result == HostCheck::Result::kOk;
  report.checks.push_back(DiskCheck(config));
  report.checks.push_back(MemoryCheck(config));
  return report;
}

int64_t MemoryForBuilds(const AgentConfig& config) {
  return config.memory_bytes > 0 ? config.memory_bytes : std::max<int64_t>(HostMemory() - kHostMemory, 0);
}

absl::Status CheckDisk(const AgentConfig& config) {
  RW_ASSIGN_OR_RETURN(const int64_t free, FreeDisk(config));
  if (free >= kLeastDisk) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("disk: ", config.state_folder.string(), ": ", SizeText(free), " free"));
}

v1::Capabilities CapabilitiesOf(const AgentConfig& config, const HostReport& report) {
  v1::Capabilities capabilities;
  capabilities.set_slots(config.slots);
  capabilities.set_outbound_network(report.outbound_network);
  for (const auto& [key, value] : config.labels) (*capabilities.mutable_labels())[key] = value;
  for (const HostReport::Target& target : report.targets) {
    v1::TargetSupport* support = capabilities.add_targets();
    support->set_architecture(ToProto(target.architecture));
    support->set_isolation(target.isolation == Isolation::kContainer ? v1::ISOLATION_CONTAINER
                                                                     : v1::ISOLATION_MACHINE);
    support->set_accelerated(target.accelerated);
    support->add_routines("rootfs");
    support->add_routines("command");
  }
  v1::Limits maximum = config.maximum_limits;
  maximum.set_memory_bytes(std::min(maximum.memory_bytes(), MemoryForBuilds(config)));
  capabilities.set_memory_bytes(MemoryForBuilds(config));
  capabilities.set_disk_bytes(FreeDisk(config).value_or(0));
  std::error_code error;
  const auto space = std::filesystem::space(config.state_folder, error);
  if (!error) capabilities.set_disk_bytes(static_cast<int64_t>(space.capacity));
  capabilities.set_cpus(static_cast<int>(std::thread::hardware_concurrency()));
  *capabilities.mutable_default_limits() = config.default_limits;
  *capabilities.mutable_maximum_keep_failed() = ToProto(config.maximum_keep_failed);
  *capabilities.mutable_maximum_limits() = maximum;
  return capabilities;
}

std::string ToJson(const HostReport& report) {
  using Result = HostCheck::Result;
  nlohmann::ordered_json root = {{"checks", nlohmann::json::array()}, {"targets", nlohmann::json::array()}};
  for (const HostCheck& check : report.checks) {
    const char* result = check.result == Result::kOk         ? "ok"
                         : check.result == Result::kDegraded ? "degraded"
                                                             : "failed";
    root["checks"].push_back(
        {{"name", check.name}, {"result", result}, {"finding", check.finding}, {"remedy", check.remedy}});
  }
  for (const HostReport::Target& target : report.targets) {
    root["targets"].push_back(
        {{"architecture", NamesOf(target.architecture).debian},
         {"isolation", target.isolation == Isolation::kContainer ? "container" : "machine"},
         {"accelerated", target.accelerated}});
  }
  return root.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string ToText(const HostReport& report) {
  std::string text;
  for (const HostCheck& check : report.checks) {
    const char* mark = check.result == HostCheck::Result::kOk         ? "ok      "
                       : check.result == HostCheck::Result::kDegraded ? "degraded"
                                                                      : "FAILED  ";
    absl::StrAppend(&text, mark, " ", check.name, ": ", check.finding, check.remedy.empty() ? "" : "; ",
                    check.remedy, "\n");
  }
  return text;
}

}  // namespace rootwright
