#include "executors/qemu/qemu_executor.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "executors/libvirt/domain_text.h"
#include "executors/libvirt/libvirt_check.h"
#include "executors/libvirt/reap_domains.h"
#include "executors/qemu/host_inspection.h"
#include "executors/qemu/kvm_probe.h"
#include "executors/qemu/qemu_environment.h"

namespace rootwright {

absl::StatusOr<std::unique_ptr<QemuExecutor>> QemuExecutor::Create(const QemuSettings& settings,
                                                                   MachineImages& images) {
  RW_ASSIGN_OR_RETURN(std::shared_ptr<LibvirtConnection> connection,
                      LibvirtConnection::Create(settings.libvirt));
  return std::unique_ptr<QemuExecutor>(new QemuExecutor(settings, images, std::move(connection)));
}

QemuExecutor::QemuExecutor(const QemuSettings& settings, MachineImages& images,
                           std::shared_ptr<LibvirtConnection> connection)
    : settings_(settings), images_(images), connection_(std::move(connection)) {}

absl::StatusOr<ImageInfo> QemuExecutor::PrepareImage(Architecture architecture, const ProgressSink& progress,
                                                     const OutputSink& log, std::stop_token stop) {
  const auto on_progress = [&](const ImageProgress& at) {
    if (progress) progress({.done = at.done, .total = at.total, .phase = at.phase, .item = at.item});
  };
  const auto on_line = [&](absl::string_view line) {
    if (log) log(OutputStream::kStdout, absl::StrCat(line, "\n"));
  };
  RW_ASSIGN_OR_RETURN(const MachineImage image,
                      images_.Prepare(architecture, on_progress, on_line, std::move(stop)));
  return ImageInfo{
      .name = image.name, .digest = image.digest, .kernel_release = image.description.kernel_release};
}

absl::StatusOr<std::unique_ptr<Environment>> QemuExecutor::CreateEnvironment(const EnvironmentSpec& spec) {
  RW_RETURN_IF_ERROR(CheckHealth());
  const auto ignore = [](const auto&) {};
  RW_ASSIGN_OR_RETURN(const MachineImage image,
                      images_.Prepare(spec.architecture, ignore, ignore, std::stop_token()));
  const bool native = spec.architecture == HostArchitecture();
  const auto accelerator =
      native && Kvm(std::stop_token()).ok() ? DomainSpec::Accelerator::kKvm : DomainSpec::Accelerator::kTcg;
  return QemuEnvironment::Create(spec, image, settings_, accelerator, connection_);
}

absl::StatusOr<std::vector<std::string>> QemuExecutor::Reap(const std::set<std::string>& keep) {
  const std::string ours = absl::StrCat("file='", EscapeXml(settings_.work_folder.string()), "/");
  return ReapDomains(*connection_, keep, ours, [](const std::string&, const std::string&) {});
}

absl::Status QemuExecutor::Kvm(std::stop_token stop) {
  {
    MutexLock lock(mutex_);
    if (kvm_) return *kvm_;
  }
  // Two threads may both probe; they find the same.
  const absl::Status probed = ProbeKvm(HostArchitecture(), std::move(stop));
  MutexLock lock(mutex_);
  if (!absl::IsCancelled(probed)) kvm_ = probed;
  return probed;
}

HostReport QemuExecutor::Inspect(std::stop_token stop) {
  HostReport report;
  const HostCheck libvirt = CheckLibvirt(*connection_);
  const HostCheck tools = CheckImageTools();
  const absl::Status kvm = Kvm(std::move(stop));
  report.checks = {libvirt, tools, DescribeKvm(kvm)};
  const bool ready = libvirt.result == HostCheck::Result::kOk && tools.result == HostCheck::Result::kOk;
  const std::vector<Architecture> with_image = MachineArchitectures();
  std::set<Architecture> asked = settings_.targets;
  if (asked.empty()) asked = {with_image.begin(), with_image.end()};
  for (const Architecture architecture : asked) {
    const bool required = !settings_.targets.empty() || architecture != HostArchitecture();
    report.checks.push_back(CheckMachines(architecture, required));
    if (!ready || report.checks.back().result != HostCheck::Result::kOk) continue;
    report.targets.push_back({architecture, architecture == HostArchitecture() && kvm.ok()});
  }
  return report;
}

absl::Status QemuExecutor::CheckHealth() { return connection_->Check(); }

}  // namespace rootwright
