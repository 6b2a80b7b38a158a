#include "executors/container/container_executor.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/container/container_cgroup.h"
#include "executors/container/container_environment.h"
#include "executors/container/container_inspection.h"
#include "executors/container/mounts.h"
#include "executors/libvirt/domain_text.h"
#include "executors/libvirt/libvirt_check.h"
#include "executors/libvirt/reap_domains.h"

namespace rootwright {
namespace {

constexpr uint32_t kRanges = 4096;

}  // namespace

absl::StatusOr<std::unique_ptr<ContainerExecutor>> ContainerExecutor::Create(
    const ContainerSettings& settings, MachineImages& images) {
  RW_ASSIGN_OR_RETURN(std::shared_ptr<LibvirtConnection> connection,
                      LibvirtConnection::Create(settings.libvirt));
  return std::unique_ptr<ContainerExecutor>(new ContainerExecutor(settings, images, std::move(connection)));
}

ContainerExecutor::ContainerExecutor(const ContainerSettings& settings, MachineImages& images,
                                     std::shared_ptr<LibvirtConnection> connection)
    : settings_(settings),
      images_(images),
      connection_(std::move(connection)),
      // Agents side by side on one host start at different places.
      next_range_(static_cast<uint32_t>(std::hash<std::string>()(settings.work_folder.string()))) {}

IdRange ContainerExecutor::NextIds() {
  IdRange ids;
  ids.first = settings_.first_id + (next_range_++ % kRanges) * ids.count;
  return ids;
}

absl::StatusOr<ImageInfo> ContainerExecutor::PrepareImage(Architecture architecture,
                                                          const ProgressSink& progress, const OutputSink& log,
                                                          std::stop_token stop) {
  const auto on_progress = [&](const ImageProgress& at) {
    if (progress) progress({.done = at.done, .total = at.total, .phase = at.phase, .item = at.item});
  };
  const auto on_line = [&](absl::string_view line) {
    if (log) log(OutputStream::kStdout, absl::StrCat(line, "\n"));
  };
  RW_ASSIGN_OR_RETURN(const ContainerImage image,
                      images_.PrepareContainer(architecture, on_progress, on_line, std::move(stop)));
  return ImageInfo{.name = image.name, .digest = image.digest, .kernel_release = ""};
}

absl::StatusOr<std::unique_ptr<Environment>> ContainerExecutor::CreateEnvironment(
    const EnvironmentSpec& spec) {
  const auto ignore = [](const auto&) {};
  RW_ASSIGN_OR_RETURN(const ContainerImage image,
                      images_.PrepareContainer(spec.architecture, ignore, ignore, std::stop_token()));
  return CreateEnvironmentOn(image.root, spec);
}

absl::StatusOr<std::unique_ptr<Environment>> ContainerExecutor::CreateEnvironmentOn(
    const std::filesystem::path& root, const EnvironmentSpec& spec) {
  RW_RETURN_IF_ERROR(CheckHealth());
  return ContainerEnvironment::Create(spec, root, settings_, NextIds(), connection_);
}

absl::StatusOr<std::vector<std::string>> ContainerExecutor::Reap(const std::set<std::string>& keep) {
  // With nothing to keep not even libvirt is needed for these.
  absl::Status unmounted;
  if (keep.empty()) unmounted = UnmountBelow(settings_.work_folder);
  const std::string ours = absl::StrCat("dir='", EscapeXml(settings_.work_folder.string()), "/");
  RW_ASSIGN_OR_RETURN(
      const std::vector<std::string> reaped,
      ReapDomains(*connection_, keep, ours, [&](const std::string& domain, const std::string& xml) {
        // <work folder>/…/container/root: its build's own folder is two up.
        const size_t start = xml.find(ours) + std::string("dir='").size();
        const std::filesystem::path root = xml.substr(start, xml.find('\'', start) - start);
        unmounted.Update(UnmountBelow(root.parent_path().parent_path()));
        ContainerCgroup::RemoveOfLibvirt(domain);
      }));
  if (keep.empty()) ContainerCgroup::RemoveLeftovers(CgroupAgentName(settings_.work_folder));
  RW_RETURN_IF_ERROR(unmounted);
  return reaped;
}

HostReport ContainerExecutor::Inspect(std::stop_token stop) {
  HostReport report;
  const HostCheck libvirt = CheckLibvirt(*connection_);
  report.checks = {libvirt, CheckContainerTools(), DescribeCgroups(), DescribeCopyOnWrite(settings_)};
  const bool ready = libvirt.result == HostCheck::Result::kOk;
  const absl::Status probed =
      ready ? ProbeContainer(*this, settings_.work_folder, std::move(stop)) : absl::OkStatus();
  if (ready) report.checks.push_back(DescribeProbe(probed, settings_));
  const bool sound = std::none_of(report.checks.begin(), report.checks.end(), [](const HostCheck& check) {
    return check.result == HostCheck::Result::kFailed;
  });
  if (!settings_.required) {
    for (HostCheck& check : report.checks) {
      if (check.result == HostCheck::Result::kFailed) check.result = HostCheck::Result::kDegraded;
    }
  }
  if (sound) report.targets.push_back({HostArchitecture(), false, Isolation::kContainer});
  return report;
}

absl::Status ContainerExecutor::CheckHealth() { return connection_->Check(); }

}  // namespace rootwright
