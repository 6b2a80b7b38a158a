#include "agent/build/planned_build.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/journal/paths.h"
#include "base/status.h"
#include "proto/proto_architecture.h"
#include "proto/proto_time.h"

namespace rootwright {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("request.", field, ": ", why));
}

std::optional<PackFormat> FromProto(v1::OutputFormat format) {
  switch (format) {
    case v1::OUTPUT_FORMAT_TAR_ZST:
      return PackFormat::kTarZst;
    case v1::OUTPUT_FORMAT_TAR:
      return PackFormat::kTar;
    case v1::OUTPUT_FORMAT_TAR_GZ:
      return PackFormat::kTarGz;
    default:
      return std::nullopt;
  }
}

bool HasNul(absl::string_view text) { return text.find('\0') != absl::string_view::npos; }

absl::StatusOr<GitSource> PlanSource(const v1::GitSource& source) {
  if (source.url().empty() || source.url().size() > 2048 || source.url().front() == '-' ||
      HasNul(source.url())) {
    return Invalid("source.url", "not the URL of a git repository");
  }
  if (source.ref().size() > 256 || HasNul(source.ref()) ||
      (!source.ref().empty() && source.ref().front() == '-')) {
    return Invalid("source.ref", "not a branch, tag or commit");
  }
  if (HasNul(source.path()) || (!source.path().empty() && source.path().front() == '/')) {
    return Invalid("source.path", "not a relative path");
  }
  for (const absl::string_view part : absl::StrSplit(source.path(), '/')) {
    if (part == "..") return Invalid("source.path", "it must not leave the repository with '..'");
  }
  return GitSource{source.url(), source.ref(), source.path()};
}

// A container where the request leaves the choice and this host has one: it can only be for the host's own
// architecture, and starts at once.
absl::StatusOr<Isolation> PlanIsolation(const v1::BuildRequest& request, Architecture architecture,
                                        const BuildPolicy& policy) {
  const bool container = policy.targets.count({architecture, Isolation::kContainer}) != 0;
  const bool machine = policy.targets.count({architecture, Isolation::kMachine}) != 0;
  const std::string name = NamesOf(architecture).debian;
  switch (request.isolation()) {
    case v1::ISOLATION_UNSPECIFIED:
    case v1::ISOLATION_AUTO:
      if (container) return Isolation::kContainer;
      if (machine) return Isolation::kMachine;
      return absl::FailedPreconditionError(
          absl::StrCat("plan: target ", name, ": this host has no machine and no container for it"));
    case v1::ISOLATION_MACHINE:
      if (machine) return Isolation::kMachine;
      return absl::FailedPreconditionError(
          absl::StrCat("plan: isolation MACHINE: this host has no machine for ", name));
    case v1::ISOLATION_CONTAINER:
      if (container) return Isolation::kContainer;
      return absl::FailedPreconditionError(
          absl::StrCat("plan: isolation CONTAINER: this host has no container for ", name));
    default:
      return Invalid("isolation", "not known to this agent");
  }
}

absl::StatusOr<Network> PlanNetwork(const v1::BuildRequest& request, const BuildPolicy& policy) {
  switch (request.network()) {
    case v1::NETWORK_UNSPECIFIED:
    case v1::NETWORK_NONE:
      return Network::kNone;
    case v1::NETWORK_OUTBOUND:
      if (policy.outbound_network) return Network::kOutbound;
      return absl::FailedPreconditionError(
          "plan: network OUTBOUND: this host lets no build out ('outbound network' of rootwright doctor)");
    default:
      return Invalid("network", "not known to this agent");
  }
}

absl::StatusOr<EnvironmentSpec> PlanEnvironment(const v1::Lease& lease, const BuildLimits& limits,
                                                const std::filesystem::path& work_folder) {
  const v1::Target& target = lease.request().target();
  const auto architecture = rootwright::FromProto(target.architecture());
  if (!architecture) return Invalid("target.architecture", "not known to this agent");
  const std::string& cpu = target.cpu_model();
  const bool plain = std::all_of(cpu.begin(), cpu.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '-';
  });
  if (cpu.size() > 64 || !plain) return Invalid("target.cpu_model", "not the name of a CPU model");
  EnvironmentSpec spec;
  spec.build_id = lease.build_id();
  spec.architecture = *architecture;
  spec.cpu_model = cpu;
  spec.vcpus = limits.vcpus;
  spec.memory_bytes = limits.memory_bytes;
  spec.disk_bytes = limits.disk_bytes;
  spec.processes = limits.processes;
  spec.work_folder = work_folder;
  return spec;
}

absl::StatusOr<RootfsRequest> PlanRootfs(const v1::BuildRequest& request) {
  RootfsRequest rootfs;
  if (!request.has_source()) return Invalid("source", "a RootfsBuild needs one");
  RW_ASSIGN_OR_RETURN(rootfs.source, PlanSource(request.source()));
  for (const int output : request.outputs()) {
    const auto format = FromProto(static_cast<v1::OutputFormat>(output));
    if (!format) return Invalid("outputs", "a format that this agent does not know");
    if (std::find(rootfs.outputs.begin(), rootfs.outputs.end(), *format) == rootfs.outputs.end()) {
      rootfs.outputs.push_back(*format);
    }
  }
  if (rootfs.outputs.empty()) rootfs.outputs.push_back(PackFormat::kTarZst);
  const auto& disabled = request.rootfs().disabled_shortcuts();
  rootfs.disabled_shortcuts = {disabled.begin(), disabled.end()};
  rootfs.platform = request.target().platform();
  rootfs.keep_going = request.rootfs().keep_going();
  rootfs.use_binary_packages = !request.rootfs().without_binary_packages();
  if (request.rootfs().has_source_date())
    rootfs.source_date = rootwright::FromProto(request.rootfs().source_date());
  return rootfs;
}

absl::StatusOr<CommandRequest> PlanCommand(const v1::BuildRequest& request) {
  const v1::CommandBuild& asked = request.command();
  CommandRequest command;
  if (request.has_source()) {
    RW_ASSIGN_OR_RETURN(command.source, PlanSource(request.source()));
  }
  if (asked.argv().empty() || asked.argv(0).empty()) return Invalid("command.argv", "no program named");
  for (const std::string& word : asked.argv()) {
    if (HasNul(word)) return Invalid("command.argv", "a word with a zero byte");
  }
  command.argv = {asked.argv().begin(), asked.argv().end()};
  for (const auto& [name, value] : asked.environment()) {
    if (name.empty() || name.find('=') != std::string::npos || HasNul(name) || HasNul(value)) {
      return Invalid("command.environment", "not the name of a variable");
    }
    command.variables[name] = value;
  }
  command.collect = {asked.collect().begin(), asked.collect().end()};
  command.working_directory = asked.working_directory();
  return command;
}

}  // namespace

absl::StatusOr<PlannedBuild> PlanBuild(const v1::Lease& lease, const BuildPolicy& policy,
                                       const std::filesystem::path& work_folder) {
  if (!IsBuildId(lease.build_id())) return absl::InvalidArgumentError("lease: build id: not one");
  const v1::BuildRequest& request = lease.request();
  PlannedBuild build;
  build.limits = FillLimits(request.limits(), policy.defaults);
  RW_RETURN_IF_ERROR(CheckLimits(build.limits, policy.maximum));
  RW_ASSIGN_OR_RETURN(EnvironmentSpec environment, PlanEnvironment(lease, build.limits, work_folder));
  RW_ASSIGN_OR_RETURN(build.isolation, PlanIsolation(request, environment.architecture, policy));
  RW_ASSIGN_OR_RETURN(environment.network, PlanNetwork(request, policy));
  if (request.has_keep_failed()) {
    build.keep_failed = rootwright::FromProto(request.keep_failed());
    if (build.keep_failed < absl::ZeroDuration()) return Invalid("keep_failed", "less than no time");
    if (build.keep_failed > policy.maximum_keep_failed) {
      return absl::FailedPreconditionError(
          absl::StrCat("plan: keep_failed of ", absl::FormatDuration(build.keep_failed), ": this host keeps ",
                       policy.maximum_keep_failed > absl::ZeroDuration()
                           ? absl::StrCat("at most ", absl::FormatDuration(policy.maximum_keep_failed))
                           : "no failed environment",
                       " (maximum_keep_failed of its agent)"));
    }
  }
  if (request.has_rootfs()) {
    RW_ASSIGN_OR_RETURN(build.routine, PlanRootfs(request));
  } else if (request.has_command()) {
    RW_ASSIGN_OR_RETURN(build.routine, PlanCommand(request));
  } else {
    return Invalid("routine", "none that this agent knows");
  }
  std::visit(
      [&](auto& routine) {
        routine.environment = std::move(environment);
        routine.boot_limit = build.limits.boot;
      },
      build.routine);
  return build;
}

WithoutMaster PolicyOf(const v1::BuildRequest& request) {
  WithoutMaster policy;
  const v1::WithoutMaster& asked = request.without_master();
  if (asked.has_go_on_for()) policy.go_on_for = rootwright::FromProto(asked.go_on_for());
  if (asked.afterwards() == v1::WithoutMaster::AFTERWARDS_STOP)
    policy.afterwards = WithoutMaster::Afterwards::kStop;
  if (asked.afterwards() == v1::WithoutMaster::AFTERWARDS_STOP_AND_DISCARD) {
    policy.afterwards = WithoutMaster::Afterwards::kStopAndDiscard;
  }
  return policy;
}

}  // namespace rootwright
