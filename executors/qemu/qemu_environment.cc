#include "executors/qemu/qemu_environment.h"

#include <sys/mount.h>
#include <sys/random.h>

#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/size_text.h"
#include "base/status.h"
#include "executors/libvirt/domain_text.h"
#include "executors/network/outbound_addresses.h"
#include "executors/qemu/change_archive.h"
#include "executors/qemu/machine_process.h"
#include "vmimages/ext4.h"

namespace rootwright {
namespace {

constexpr int kMaxVcpus = 8;
constexpr int64_t kMinMemory = 128 << 20;
// How long libvirt's word about an ended machine may take after the channel's end.
constexpr absl::Duration kEventDelay = absl::Seconds(3);
constexpr absl::Duration kProcessEnd = absl::Seconds(10);
// How Linux starts its last words.
constexpr char kPanic[] = "Kernel panic";

constexpr char kTarget[] = "/target";
constexpr char kLower[] = "/rootwright/lower";
constexpr char kUpper[] = "/rootwright/upper";
constexpr char kWork[] = "/rootwright/work";

absl::Status CheckSpec(const EnvironmentSpec& spec) {
  const auto refuse = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("make a machine: ", spec.build_id, ": ", what));
  };
  if (spec.build_id.empty()) return refuse("the build has no id");
  if (spec.vcpus < 1 || spec.vcpus > kMaxVcpus) {
    return refuse(absl::StrCat(spec.vcpus, " virtual CPUs: 1 to ", kMaxVcpus, " are possible"));
  }
  if (spec.memory_bytes < kMinMemory) {
    return refuse(absl::StrCat(SizeText(spec.memory_bytes), " of memory: it needs ", SizeText(kMinMemory)));
  }
  if (spec.disk_bytes <= 0) return refuse("no disk space");
  if (spec.processes < 1) return refuse("no process may run");
  if (!spec.work_folder.is_absolute()) return refuse("the work folder is not an absolute path");
  return absl::OkStatus();
}

const char* ConsoleOf(Architecture architecture) {
  switch (architecture) {
    case Architecture::kArm64:
    case Architecture::kArmhf:
    case Architecture::kArmel:
      return "ttyAMA0";
    default:
      return "ttyS0";
  }
}

DomainSpec DomainFor(const EnvironmentSpec& spec, const QemuSettings& settings,
                     DomainSpec::Accelerator accelerator, const MachineFiles& files,
                     const MachineImage& image) {
  DomainSpec domain;
  domain.name = absl::StrCat(kDomainPrefix, spec.build_id);
  domain.architecture = spec.architecture;
  domain.accelerator = accelerator;
  domain.cpu_model = spec.cpu_model;
  if (const auto found = settings.cpu_models.find(spec.architecture);
      domain.cpu_model.empty() && found != settings.cpu_models.end()) {
    domain.cpu_model = found->second;
  }
  if (domain.cpu_model.empty() && accelerator == DomainSpec::Accelerator::kKvm) domain.cpu_model = "host";
  domain.vcpus = spec.vcpus;
  domain.memory_bytes = spec.memory_bytes;
  domain.translation_buffer_bytes = settings.translation_buffer_bytes;
  domain.kernel = files.kernel();
  domain.initrd = files.initrd();
  // A kernel that panics ends the machine, which ends the build: at once, not at a deadline.
  domain.command_line =
      absl::StrCat("console=", ConsoleOf(spec.architecture),
                   " quiet loglevel=4 cryptomgr.notests panic=-1 rootwright.processes=", spec.processes);
  domain.disks = {
      {std::string(kRootDisk), DiskFormat::kQcow2, files.root_disk(), image.root_disk, image.root_format},
      {std::string(kTreeDisk), DiskFormat::kRaw, files.tree_disk(), std::nullopt, DiskFormat::kRaw},
      {std::string(kOutDisk), DiskFormat::kRaw, files.out_disk(), std::nullopt, DiskFormat::kRaw}};
  for (int i = 0; i < Environment::kMostInputs; ++i)
    domain.disks.push_back(
        {InputDisk(i), DiskFormat::kRaw, files.input_disk(i), std::nullopt, DiskFormat::kRaw});
  domain.console_file = files.console();
  domain.guest_socket = files.socket();
  domain.shell_socket = files.shell_socket();
  if (spec.network == Network::kOutbound) {
    domain.network_socket = files.network_socket();
    absl::StrAppend(&domain.command_line, " rootwright.address=", kOutboundAddress,
                    " rootwright.netmask=", kOutboundNetmask, " rootwright.gateway=", kOutboundGateway);
  }
  return domain;
}

}  // namespace

absl::StatusOr<std::unique_ptr<QemuEnvironment>> QemuEnvironment::Create(
    const EnvironmentSpec& spec, const MachineImage& image, const QemuSettings& settings,
    DomainSpec::Accelerator accelerator, std::shared_ptr<LibvirtConnection> connection) {
  RW_RETURN_IF_ERROR(CheckSpec(spec));
  MachineFiles files(spec.work_folder);
  RW_RETURN_IF_ERROR(files.Make(spec, image, Deadline::In(absl::Minutes(1))));
  return std::unique_ptr<QemuEnvironment>(new QemuEnvironment(
      DomainFor(spec, settings, accelerator, files, image), files, spec, std::move(connection)));
}

QemuEnvironment::QemuEnvironment(DomainSpec domain, MachineFiles files, const EnvironmentSpec& spec,
                                 std::shared_ptr<LibvirtConnection> connection)
    : DomainEnvironment(domain.name, {"machine", "qemu", kEventDelay}, spec.network, std::move(connection)),
      domain_(std::move(domain)),
      files_(std::move(files)),
      disk_bytes_(spec.disk_bytes) {}

QemuEnvironment::~QemuEnvironment() { EndOrWarn(); }

absl::Status QemuEnvironment::ExplainEnd(DomainWatch::Fate fate) {
  const std::string console = files_.ConsoleTail();
  std::string how = "the machine ended";
  Fault fault = Fault::kHypervisor;
  if (const size_t panic = console.find(kPanic); panic != std::string::npos) {
    how = absl::StrCat("the guest's kernel panicked: ",
                       absl::StripAsciiWhitespace(console.substr(panic, console.find('\n', panic) - panic)));
    fault = Fault::kGuest;
  } else if (fate == DomainWatch::Fate::kEndedByGuest) {
    how = "the guest switched the machine off";
    fault = Fault::kGuest;
  }
  return Ended(absl::StrCat(how, ": last console lines:\n", console), fault);
}

std::string QemuEnvironment::Evidence() {
  return absl::StrCat(": last console lines:\n", files_.ConsoleTail());
}

absl::Status QemuEnvironment::Reach(Deadline deadline, std::stop_token stop) {
  RW_RETURN_IF_ERROR(BeginStart());
  if (reaches_out()) {
    RW_ASSIGN_OR_RETURN(network_, MachineNetwork::Listen(domain_.network_socket, domain_.name));
  }
  RW_RETURN_IF_ERROR(connection().CreateDomain(domain_.name, DomainXml(domain_)));
  const absl::Status connected = ConnectGuest(deadline, stop);
  // A Kill that came while libvirt made the domain found none to destroy.
  if (watch().fate() == DomainWatch::Fate::kKilled) Destroy().IgnoreError();
  if (connected.ok()) return LendResolverTo("/", deadline, std::move(stop));
  const absl::Status why = Explain(connected, stop);
  if (!absl::IsDeadlineExceeded(why)) return Annotate(why, "boot");
  return WithFault(absl::DeadlineExceededError(absl::StrCat(
                       "boot: ", domain_.name, ": the guest has not answered in time: last console lines:\n",
                       files_.ConsoleTail())),
                   Fault::kGuest);
}

absl::Status QemuEnvironment::ConnectNetwork(Deadline deadline, std::stop_token stop) {
  if (network_ == nullptr) return absl::OkStatus();
  const auto is_machine = [&](pid_t process) {
    return IsMachineProcess(process, domain_.name, files_.root_disk());
  };
  return WithFault(network_->Connect(is_machine, deadline, std::move(stop)), Fault::kHost);
}

absl::Status QemuEnvironment::ConnectGuest(Deadline deadline, std::stop_token stop) {
  const EitherStop either(stop, watch().ended());
  RW_RETURN_IF_ERROR(ConnectNetwork(deadline, either.token()));
  RW_ASSIGN_OR_RETURN(std::shared_ptr<GuestChannel> channel,
                      GuestChannel::Connect(files_.socket(), deadline, either.token()));
  // The machine has neither a battery for its clock nor much to make randomness from.
  RW_RETURN_IF_ERROR(channel->SyncClock(Clock::Real().Wall(), deadline, either.token()));
  std::string entropy(64, '\0');
  if (getrandom(entropy.data(), entropy.size(), 0) < 0) return ErrnoStatus(errno, "get entropy", "the host");
  RW_RETURN_IF_ERROR(channel->Reseed(entropy, deadline, either.token()));
  SetChannel(std::move(channel));
  return absl::OkStatus();
}

absl::StatusOr<std::string> QemuEnvironment::ImportTree(const std::filesystem::path& tree, const OutputSink&,
                                                        Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  const EitherStop either(stop, watch().ended());
  // The running machine has the disk but has read nothing that stays in its cache: the kernel
  // drops what it knows of a block device when the last user closes it.
  const absl::Status made =
      MakeExt4(tree, files_.tree_disk(), disk_bytes_, kTreeDisk, deadline, either.token());
  RW_RETURN_IF_ERROR(Explain(WithFault(made, Fault::kHost), stop));
  RW_RETURN_IF_ERROR(Explain(MountTree(*channel, deadline, either.token()), stop));
  SetTree(kTarget);
  RW_RETURN_IF_ERROR(LendResolverTo(kTarget, deadline, std::move(stop)));
  return std::string(kTarget);
}

absl::Status QemuEnvironment::MountTree(GuestChannel& channel, Deadline deadline, std::stop_token stop) {
  const std::string target = kTarget;
  // No redirects and no metacopies: the upper layer alone has to say all that changed.
  // Volatile: nothing of it is to survive, so nothing is synced.
  const std::string layers = absl::StrCat("lowerdir=", kLower, ",upperdir=", kUpper, ",workdir=", kWork,
                                          ",redirect_dir=off,metacopy=off,index=off,volatile");
  const GuestMount mounts[] = {
      {absl::StrCat("serial:", kTreeDisk), kLower, "ext4", MS_RDONLY | MS_NOATIME, ""},
      {"overlay", target, "overlay", 0, layers},
      {"proc", target + "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""},
      {"sysfs", target + "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""},
      {"devtmpfs", target + "/dev", "devtmpfs", MS_NOSUID, "mode=755"},
      {"devpts", target + "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666"},
      {"tmpfs", target + "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"},
  };
  EnvironmentCommand folders;
  folders.argv = {"/bin/mkdir", "-p", kUpper, kWork};
  RW_ASSIGN_OR_RETURN(const CommandResult made,
                      channel.Run(
                          folders, [](OutputStream, absl::string_view) {}, deadline, stop));
  if (!made.ok())
    return absl::InternalError(absl::StrCat(domain_.name, ": make the layers' folders: mkdir failed"));
  for (const GuestMount& mount : mounts) {
    RW_RETURN_IF_ERROR(
        Annotate(channel.Mount(mount, deadline, stop), absl::StrCat(domain_.name, ": mount the tree")));
  }
  return absl::OkStatus();
}

absl::Status QemuEnvironment::ShareInputs(const std::filesystem::path& folder, absl::string_view at,
                                          Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  if (inputs_ == kMostInputs)
    return absl::ResourceExhaustedError(
        absl::StrCat("share inputs: ", folder.string(), ": only ", kMostInputs, " folders can be shared"));
  const EitherStop either(stop, watch().ended());
  const std::string disk = InputDisk(inputs_);
  // As with an imported tree, the running machine has not read the disk yet.
  const absl::Status made =
      MakeExt4(folder, files_.input_disk(inputs_++), disk_bytes_, disk, deadline, either.token());
  RW_RETURN_IF_ERROR(Explain(WithFault(made, Fault::kHost), stop));
  const GuestMount mount = {absl::StrCat("serial:", disk), std::string(at), "ext4",
                            MS_RDONLY | MS_NOATIME | MS_NOSUID | MS_NODEV, ""};
  return Explain(
      Annotate(channel->Mount(mount, deadline, either.token()), absl::StrCat(domain_.name, ": share inputs")),
      stop);
}

absl::Status QemuEnvironment::ExportChanges(const std::filesystem::path& archive, Deadline deadline,
                                            std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  RW_RETURN_IF_ERROR(ReturnResolverOf(kTarget, deadline, stop));
  const EitherStop either(stop, watch().ended());
  absl::StatusOr<int64_t> size = WriteChangeArchive(*channel, kUpper, kOutDisk, deadline, either.token());
  if (!size.ok())
    return Annotate(Explain(size.status(), stop), absl::StrCat("export changes of ", domain_.name));
  return CopyChangeArchive(files_.out_disk(), *size, archive, deadline, stop);
}

absl::StatusOr<UniqueFd> QemuEnvironment::ConnectShells(Deadline, std::stop_token) {
  return ConnectGuestSocket(files_.shell_socket());
}

std::string QemuEnvironment::Describe() const {
  const bool kvm = domain_.accelerator == DomainSpec::Accelerator::kKvm;
  const std::string cpu =
      domain_.cpu_model.empty() ? std::string(DefaultCpuModel(domain_.architecture)) : domain_.cpu_model;
  return absl::StrCat(cpu, ", ", domain_.vcpus, " vCPU, ", kvm ? "KVM" : "emulated",
                      reaches_out() ? ", outbound network" : "", ", domain ", domain_.name);
}

absl::Status QemuEnvironment::Destroy() {
  const absl::Status destroyed = connection().DestroyDomain(domain_.name);
  if (destroyed.ok() || absl::IsNotFound(destroyed)) return absl::OkStatus();
  // Nothing may be left because libvirt is away; when it is back it sees that the machine is gone.
  const absl::Status killed = KillMachineProcess(domain_.name, files_.root_disk(), Deadline::In(kProcessEnd));
  return killed.ok() ? absl::OkStatus() : destroyed;
}

absl::Status QemuEnvironment::CleanUp(bool) {
  network_.reset();
  return absl::OkStatus();
}

}  // namespace rootwright
