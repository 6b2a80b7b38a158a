#include "executors/container/container_environment.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/size_text.h"
#include "base/status.h"
#include "base/wait.h"
#include "executors/container/container_entry.h"
#include "executors/container/mounts.h"
#include "executors/container/upper_archive.h"
#include "executors/libvirt/domain_text.h"
#include "executors/libvirt/let_pass.h"

namespace rootwright {
namespace {

constexpr int64_t kMinMemory = 32 << 20;
// How long libvirt's word about an ended container may take: it looks every 0.2 s.
constexpr absl::Duration kEventDelay = absl::Seconds(5);
constexpr absl::Duration kProcessEnd = absl::Seconds(10);
constexpr char kTarget[] = "/target";

std::filesystem::path Layers(const EnvironmentSpec& spec) { return spec.work_folder / "container"; }
std::filesystem::path TreeLayers(const EnvironmentSpec& spec) { return spec.work_folder / "container-tree"; }

absl::Status CheckSpec(const EnvironmentSpec& spec) {
  const auto refuse = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("make a container: ", spec.build_id, ": ", what));
  };
  if (spec.build_id.empty()) return refuse("the build has no id");
  if (spec.architecture != HostArchitecture()) return refuse("it is not for this host's architecture");
  if (spec.vcpus < 1) return refuse("no CPU");
  if (spec.memory_bytes < kMinMemory)
    return refuse(absl::StrCat(SizeText(spec.memory_bytes), " of memory: it needs ", SizeText(kMinMemory)));
  if (spec.disk_bytes <= 0) return refuse("no disk space");
  if (spec.processes < 1) return refuse("no process may run");
  if (!spec.work_folder.is_absolute()) return refuse("the work folder is not an absolute path");
  return absl::OkStatus();
}

absl::Status CheckRoom(const EnvironmentSpec& spec) {
  RW_ASSIGN_OR_RETURN(const int64_t free, FreeBytes(spec.work_folder));
  if (free >= spec.disk_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("make a container: ", spec.work_folder.string(), ": ",
                                                   SizeText(spec.disk_bytes), " needed, ", SizeText(free),
                                                   " free: free some, or let the build write less"));
}

// The kernel shall rather take anybody else for lack of memory. An agent without CAP_SYS_RESOURCE may not do
// this; commands are the likelier choice anyway (executors/guest/program/command.cc).
void Spare(pid_t process) {
  const UniqueFd fd(open(absl::StrCat("/proc/", process, "/oom_score_adj").c_str(), O_WRONLY | O_CLOEXEC));
  [[maybe_unused]] const ssize_t written = fd ? write(fd.get(), "-1000", 5) : -1;
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakeSocketPair(const std::string& domain) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return ErrnoStatus(errno, "make a socket for the container", domain);
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ContainerEnvironment>> ContainerEnvironment::Create(
    const EnvironmentSpec& spec, const std::filesystem::path& image_root, const ContainerSettings& settings,
    const IdRange& ids, std::shared_ptr<LibvirtConnection> connection) {
  RW_RETURN_IF_ERROR(CheckSpec(spec));
  RW_RETURN_IF_ERROR(CheckRoom(spec));
  ContainerDomain domain;
  domain.name = absl::StrCat(kDomainPrefix, spec.build_id);
  domain.architecture = NamesOf(spec.architecture).libvirt;
  domain.vcpus = spec.vcpus;
  domain.memory_bytes = spec.memory_bytes;
  domain.ids = ids;
  domain.root = Layers(spec) / "root";
  domain.guest_folder = settings.guest_programs / NamesOf(spec.architecture).debian;
  RW_RETURN_IF_ERROR(MakeFolders(Layers(spec)));
  RW_RETURN_IF_ERROR(LetPass(Layers(spec), "a container's user"));
  const absl::Status mounted = MountShiftedOverlay(image_root, Layers(spec), ids, domain.root);
  if (!mounted.ok()) {
    UnmountBelow(spec.work_folder).IgnoreError();
    return WithFault(mounted, Fault::kHost);
  }
  return std::unique_ptr<ContainerEnvironment>(new ContainerEnvironment(
      std::move(domain), spec, CgroupAgentName(settings.work_folder), std::move(connection)));
}

ContainerEnvironment::ContainerEnvironment(ContainerDomain domain, const EnvironmentSpec& spec,
                                           std::string agent, std::shared_ptr<LibvirtConnection> connection)
    : DomainEnvironment(domain.name, {"container", "linux", kEventDelay}, spec.network,
                        std::move(connection)),
      domain_(std::move(domain)),
      spec_(spec),
      agent_(std::move(agent)) {}

ContainerEnvironment::~ContainerEnvironment() { EndOrWarn(); }

pid_t ContainerEnvironment::FirstProcess() {
  MutexLock lock(mutex_);
  return first_pid_;
}

absl::Status ContainerEnvironment::Start(UniqueFd guest_end, UniqueFd shell_end) {
  RW_RETURN_IF_ERROR(BeginStart());
  // An earlier attempt's, whose name libvirt kept (LibvirtConnection::ListDomains).
  const absl::Status destroyed = connection().DestroyDomain(domain_.name);
  if (!destroyed.ok() && !absl::IsNotFound(destroyed)) return destroyed;
  std::vector<UniqueFd> ends;
  ends.push_back(std::move(guest_end));
  ends.push_back(std::move(shell_end));
  return connection().CreateContainer(domain_.name, ContainerXml(domain_), std::move(ends));
}

absl::StatusOr<UniqueFd> ContainerEnvironment::ConnectShells(Deadline, std::stop_token) {
  MutexLock lock(mutex_);
  if (shell_socket_) return std::move(shell_socket_);
  return absl::UnavailableError(absl::StrCat(domain_.name, ": its connection for shells was lost"));
}

absl::Status ContainerEnvironment::TakeHold() {
  RW_ASSIGN_OR_RETURN(const int holder, connection().DomainId(domain_.name));
  RW_ASSIGN_OR_RETURN(const pid_t first, FindFirstProcess(holder));
  auto handle = std::make_shared<UniqueFd>(static_cast<int>(syscall(SYS_pidfd_open, first, 0)));
  if (!*handle) return ErrnoStatus(errno, "take hold of the container", domain_.name);
  {
    MutexLock lock(mutex_);
    first_process_ = std::move(handle);
    first_pid_ = first;
  }
  Spare(holder);
  Spare(first);
  RW_ASSIGN_OR_RETURN(cgroup_, ContainerCgroup::Create(first, agent_, domain_.name, spec_.processes));
  return absl::OkStatus();
}

absl::Status ContainerEnvironment::Reach(Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(auto guest, MakeSocketPair(domain_.name));
  RW_ASSIGN_OR_RETURN(auto shells, MakeSocketPair(domain_.name));
  UniqueFd ours = std::move(guest.first);
  {
    MutexLock lock(mutex_);
    shell_socket_ = std::move(shells.first);
  }
  RW_RETURN_IF_ERROR(Start(std::move(guest.second), std::move(shells.second)));
  // The socket's other end is the guest's alone now: a container that dies is noticed at once.
  absl::Status status = TakeHold();
  if (!status.ok())
    return Explain(WithFault(Annotate(status, domain_.name), FaultOf(status, Fault::kHost)), stop);
  const EitherStop either(stop, watch().ended());
  auto channel = GuestChannel::Adopt(std::move(ours), deadline, either.token());
  if (!channel.ok()) return Explain(Annotate(channel.status(), "reach the guest"), stop);
  // The guest runs now, so that its program may lose its name; no command does.
  status = SecureContainer(FirstProcess());
  if (!status.ok()) return Explain(WithFault(Annotate(status, domain_.name), Fault::kHost), stop);
  SetChannel(*std::move(channel));
  return ReachOut(deadline, std::move(stop));
}

absl::Status ContainerEnvironment::ReachOut(Deadline deadline, std::stop_token stop) {
  if (!reaches_out()) return absl::OkStatus();
  const EitherStop either(stop, watch().ended());
  absl::StatusOr<std::unique_ptr<OutboundNetwork>> joined = OutboundNetwork::Join(
      absl::StrCat("/proc/", FirstProcess(), "/ns/net"), domain_.name, deadline, either.token());
  RW_RETURN_IF_ERROR(Explain(WithFault(joined.status(), Fault::kHost), stop));
  network_ = *std::move(joined);
  return LendResolverTo("/", deadline, std::move(stop));
}

absl::Status ContainerEnvironment::ExplainEnd(DomainWatch::Fate) {
  const std::string met = TakeCause();
  return Ended(absl::StrCat("the container ended: ", met.empty() ? "its first process did" : met),
               Fault::kGuest);
}

std::string ContainerEnvironment::TakeCause() {
  if (!cgroup_) return "";
  const int64_t kills = cgroup_->memory_kills();
  const int64_t forks = cgroup_->refused_forks();
  const bool memory = kills > std::exchange(memory_kills_, kills);
  const bool processes = forks > std::exchange(refused_forks_, forks);
  if (memory)
    return absl::StrCat("the memory limit of ", SizeText(spec_.memory_bytes),
                        " was reached, and the kernel killed");
  if (processes) return absl::StrCat("the limit of ", spec_.processes, " processes was reached");
  return "";
}

absl::StatusOr<std::string> ContainerEnvironment::ImportTree(const std::filesystem::path& tree,
                                                             const OutputSink&, Deadline deadline,
                                                             std::stop_token stop) {
  RW_RETURN_IF_ERROR(Channel().status());
  const std::filesystem::path layers = TreeLayers(spec_);
  RW_RETURN_IF_ERROR(MakeFolders(layers));
  const absl::Status mounted = MountShiftedOverlay(tree, layers, domain_.ids, layers / "root");
  if (!mounted.ok()) return WithFault(mounted, Fault::kHost);
  // The container gets it; the host's table does not keep it.
  const UniqueFd clone(static_cast<int>(
      syscall(SYS_open_tree, AT_FDCWD, (layers / "root").c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  const int clone_error = errno;
  RW_RETURN_IF_ERROR(UnmountBelow(layers));
  if (!clone) return ErrnoStatus(clone_error, "clone the mount of", (layers / "root").string());
  RW_RETURN_IF_ERROR(WithFault(AttachTree(FirstProcess(), clone, kTarget, domain_.ids), Fault::kHost));
  SetTree(kTarget);
  RW_RETURN_IF_ERROR(LendResolverTo(kTarget, deadline, std::move(stop)));
  return std::string(kTarget);
}

absl::Status ContainerEnvironment::ShareInputs(const std::filesystem::path& folder, absl::string_view at,
                                               Deadline, std::stop_token) {
  RW_RETURN_IF_ERROR(Channel().status());
  if (++inputs_ > kMostInputs)
    return absl::ResourceExhaustedError(
        absl::StrCat("share inputs: ", folder.string(), ": only ", kMostInputs, " folders can be shared"));
  const absl::StatusOr<UniqueFd> tree = OpenShifted(folder, domain_.ids);
  RW_RETURN_IF_ERROR(WithFault(tree.status(), Fault::kHost));
  return WithFault(AttachInputs(FirstProcess(), *tree, std::string(at), domain_.ids), Fault::kHost);
}

absl::Status ContainerEnvironment::ExportChanges(const std::filesystem::path& archive, Deadline deadline,
                                                 std::stop_token stop) {
  RW_RETURN_IF_ERROR(Channel().status());
  RW_RETURN_IF_ERROR(ReturnResolverOf(kTarget, deadline, stop));
  const EitherStop either(stop, watch().ended());
  // An archive is a little larger than what is in it.
  const int64_t most = spec_.disk_bytes + spec_.disk_bytes / 8 + (int64_t{64} << 20);
  const absl::Status written =
      WriteUpperArchive(TreeLayers(spec_) / "upper", domain_.ids, most, archive, deadline, either.token());
  return Explain(WithFault(written, Fault::kHost), stop);
}

std::string ContainerEnvironment::Describe() const {
  return absl::StrCat("container, ", spec_.vcpus, spec_.vcpus == 1 ? " CPU, " : " CPUs, ",
                      SizeText(spec_.memory_bytes), reaches_out() ? ", outbound network" : "", ", domain ",
                      domain_.name);
}

absl::Status ContainerEnvironment::Destroy() {
  std::shared_ptr<UniqueFd> first;
  {
    MutexLock lock(mutex_);
    first = first_process_;
  }
  // With the first process of its namespace every other one dies, libvirt or not. libvirt's own way takes 2
  // s.
  bool dead = false;
  if (first != nullptr) {
    if (syscall(SYS_pidfd_send_signal, first->get(), SIGKILL, nullptr, 0) != 0 && errno != ESRCH)
      return ErrnoStatus(errno, "kill the container", domain_.name);
    const StopFd never{std::stop_token()};
    RW_RETURN_IF_ERROR(WaitFor(first->get(), POLLIN, Deadline::In(kProcessEnd), never,
                               absl::StrCat("kill the container: ", domain_.name))
                           .status());
    dead = true;
    if (watch().AwaitStopped(Deadline::In(connection().Check().ok() ? kEventDelay : absl::ZeroDuration())))
      return absl::OkStatus();
  }
  const absl::Status destroyed = connection().DestroyDomain(domain_.name);
  if (dead || absl::IsNotFound(destroyed)) return absl::OkStatus();
  return destroyed;
}

absl::Status ContainerEnvironment::CleanUp(bool by_force) {
  network_.reset();
  // Whatever became of it: nothing stays mounted.
  absl::Status status = UnmountBelow(spec_.work_folder);
  if (cgroup_) status.Update(cgroup_->Remove());
  if (by_force) ContainerCgroup::RemoveOfLibvirt(domain_.name);
  return status;
}

}  // namespace rootwright
