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

#include "absl/strings/str_cat.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
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
    : domain_(std::move(domain)),
      spec_(spec),
      agent_(std::move(agent)),
      connection_(std::move(connection)),
      watch_(*connection_, domain_.name) {}

ContainerEnvironment::~ContainerEnvironment() {
  if (const absl::Status ended = End(absl::ZeroDuration()); !ended.ok()) {
    spdlog::warn("{}", std::string(ended.message()));
  }
}

absl::StatusOr<std::shared_ptr<GuestChannel>> ContainerEnvironment::Channel() {
  MutexLock lock(mutex_);
  if (channel_ != nullptr) return channel_;
  return absl::UnavailableError(absl::StrCat(domain_.name, ": the container ",
                                             phase_ == Phase::kEnded ? "has ended" : "has not been reached"));
}

pid_t ContainerEnvironment::FirstProcess() {
  MutexLock lock(mutex_);
  return first_pid_;
}

absl::Status ContainerEnvironment::Start(UniqueFd guest_end) {
  {
    MutexLock lock(mutex_);
    if (phase_ != Phase::kMade) {
      return absl::FailedPreconditionError(absl::StrCat(domain_.name, ": the container was started before"));
    }
    phase_ = Phase::kStarted;
  }
  if (watch_.fate() == DomainWatch::Fate::kKilled)
    return absl::UnavailableError(absl::StrCat(domain_.name, ": the container was killed"));
  // An earlier attempt's, whose name libvirt kept (LibvirtConnection::ListDomains).
  const absl::Status destroyed = connection_->DestroyDomain(domain_.name);
  if (!destroyed.ok() && !absl::IsNotFound(destroyed)) return destroyed;
  return connection_->CreateContainer(domain_.name, ContainerXml(domain_), std::move(guest_end));
}

absl::Status ContainerEnvironment::TakeHold() {
  RW_ASSIGN_OR_RETURN(const int holder, connection_->DomainId(domain_.name));
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
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return ErrnoStatus(errno, "make a socket for the container", domain_.name);
  UniqueFd ours(ends[0]);
  RW_RETURN_IF_ERROR(Start(UniqueFd(ends[1])));
  // The socket's other end is the guest's alone now: a container that dies is noticed at once.
  absl::Status status = TakeHold();
  if (!status.ok())
    return Explain(WithFault(Annotate(status, domain_.name), FaultOf(status, Fault::kHost)), stop);
  const EitherStop either(stop, watch_.ended());
  auto channel = GuestChannel::Adopt(std::move(ours), deadline, either.token());
  if (!channel.ok()) return Explain(Annotate(channel.status(), "reach the guest"), stop);
  // The guest runs now, so that its program may lose its name; no command does.
  status = SecureContainer(FirstProcess());
  if (!status.ok()) return Explain(WithFault(Annotate(status, domain_.name), Fault::kHost), stop);
  MutexLock lock(mutex_);
  channel_ = *std::move(channel);
  return absl::OkStatus();
}

absl::Status ContainerEnvironment::Explain(const absl::Status& status, const std::stop_token& stop) {
  const bool lost = absl::IsUnavailable(status) || (absl::IsCancelled(status) && !stop.stop_requested());
  if (status.ok() || !lost) return WithFault(status, Fault::kGuest);
  const auto ended = [this](absl::string_view how, Fault fault) {
    return WithFault(absl::UnavailableError(absl::StrCat(domain_.name, ": ", how)), fault);
  };
  // The channel ends a moment before libvirt tells that the container has.
  if (watch_.fate() == DomainWatch::Fate::kAlive) watch_.AwaitStopped(Deadline::In(kEventDelay));
  switch (watch_.fate()) {
    case DomainWatch::Fate::kKilled:
      return ended("the container was killed", Fault::kHypervisor);
    case DomainWatch::Fate::kEndedByGuest:
    case DomainWatch::Fate::kStopped: {
      const std::string met = LimitMet();
      return ended(met.empty() ? "the container ended: its first process did" : "the container ended: " + met,
                   Fault::kGuest);
    }
    case DomainWatch::Fate::kLibvirtLost:
      return ended(
          absl::StrCat("libvirt: ", connection_->uri(), ": out of reach: is libvirtd running there?"),
          Fault::kHypervisor);
    case DomainWatch::Fate::kAlive:
      break;
  }
  return WithFault(absl::UnavailableError(absl::StrCat(domain_.name, ": ", std::string(status.message()))),
                   FaultOf(status, Fault::kGuest));
}

std::string ContainerEnvironment::LimitMet() {
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

absl::StatusOr<CommandResult> ContainerEnvironment::Run(const EnvironmentCommand& command,
                                                        const OutputSink& sink, Deadline deadline,
                                                        std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  const EitherStop either(stop, watch_.ended());
  absl::StatusOr<CommandResult> result = channel->Run(command, sink, deadline, either.token());
  if (!result.ok()) return Explain(result.status(), stop);
  const std::string met = LimitMet();
  if (!result->ok()) result->cause = met;
  return result;
}

absl::Status ContainerEnvironment::PutFile(absl::string_view path, int mode, absl::string_view content,
                                           Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  const EitherStop either(stop, watch_.ended());
  return Explain(channel->PutFile(path, mode, content, deadline, either.token()), stop);
}

absl::Status ContainerEnvironment::GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink,
                                           Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  const EitherStop either(stop, watch_.ended());
  return Explain(channel->GetFile(path, max_bytes, sink, deadline, either.token()), stop);
}

absl::StatusOr<std::string> ContainerEnvironment::ImportTree(const std::filesystem::path& tree,
                                                             const OutputSink&, Deadline, std::stop_token) {
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
  const EitherStop either(stop, watch_.ended());
  // An archive is a little larger than what is in it.
  const int64_t most = spec_.disk_bytes + spec_.disk_bytes / 8 + (int64_t{64} << 20);
  const absl::Status written =
      WriteUpperArchive(TreeLayers(spec_) / "upper", domain_.ids, most, archive, deadline, either.token());
  return Explain(WithFault(written, Fault::kHost), stop);
}

std::string ContainerEnvironment::Describe() const {
  return absl::StrCat("container, ", spec_.vcpus, spec_.vcpus == 1 ? " CPU, " : " CPUs, ",
                      SizeText(spec_.memory_bytes), ", domain ", domain_.name);
}

std::map<std::string, std::string> ContainerEnvironment::Tools() {
  std::map<std::string, std::string> tools;
  if (const auto version = connection_->DaemonVersion(); version.ok()) tools["libvirt"] = *version;
  if (const auto version = connection_->EmulatorVersion(); version.ok()) tools["linux"] = *version;
  return tools;
}

absl::StatusOr<absl::Duration> ContainerEnvironment::CpuTime() {
  return connection_->DomainCpuTime(domain_.name);
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
    if (watch_.AwaitStopped(Deadline::In(connection_->Check().ok() ? kEventDelay : absl::ZeroDuration())))
      return absl::OkStatus();
  }
  const absl::Status destroyed = connection_->DestroyDomain(domain_.name);
  if (dead || absl::IsNotFound(destroyed)) return absl::OkStatus();
  return destroyed;
}

absl::Status ContainerEnvironment::End(absl::Duration grace) {
  std::shared_ptr<GuestChannel> channel;
  bool started;
  {
    MutexLock lock(mutex_);
    if (phase_ == Phase::kEnded) return absl::OkStatus();
    started = phase_ == Phase::kStarted;
    channel = std::move(channel_);
    channel_ = nullptr;
  }
  const Deadline deadline = Deadline::In(grace);
  const bool orderly = started && channel != nullptr && grace > absl::ZeroDuration() &&
                       watch_.fate() == DomainWatch::Fate::kAlive &&
                       channel->Shutdown(deadline, watch_.ended()).ok() && watch_.AwaitStopped(deadline);
  if (channel != nullptr) channel->Close();
  absl::Status status;
  if (started && !orderly) status = Annotate(Destroy(), "end");
  // Whatever became of it: nothing stays mounted.
  status.Update(UnmountBelow(spec_.work_folder));
  if (cgroup_) status.Update(cgroup_->Remove());
  if (started && !orderly) ContainerCgroup::RemoveOfLibvirt(domain_.name);
  RW_RETURN_IF_ERROR(status);
  MutexLock lock(mutex_);
  phase_ = Phase::kEnded;
  return absl::OkStatus();
}

void ContainerEnvironment::Kill() {
  watch_.MarkKilled();
  std::shared_ptr<GuestChannel> channel;
  {
    MutexLock lock(mutex_);
    // It will not start any more; End takes the mounts away.
    if (phase_ != Phase::kStarted) return;
    channel = channel_;
  }
  if (channel != nullptr) channel->Close();
  if (const absl::Status destroyed = Destroy(); !destroyed.ok()) {
    spdlog::warn("kill: {}", std::string(destroyed.message()));
  }
}

}  // namespace rootwright
