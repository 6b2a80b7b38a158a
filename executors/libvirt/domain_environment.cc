#include "executors/libvirt/domain_environment.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status.h"
#include "executors/network/resolver_file.h"

namespace rootwright {

DomainEnvironment::DomainEnvironment(std::string name, Kind kind, Network network,
                                     std::shared_ptr<LibvirtConnection> connection)
    : name_(std::move(name)),
      kind_(std::move(kind)),
      network_(network),
      connection_(std::move(connection)),
      watch_(*connection_, name_) {}

absl::Status DomainEnvironment::Ended(absl::string_view how, Fault fault) const {
  return WithFault(absl::UnavailableError(absl::StrCat(name_, ": ", how)), fault);
}

absl::Status DomainEnvironment::BeginStart() {
  if (watch_.fate() == DomainWatch::Fate::kKilled)
    return Ended(absl::StrCat("the ", kind_.noun, " was killed"), Fault::kHypervisor);
  MutexLock lock(mutex_);
  if (phase_ == Phase::kEnded)
    return Ended(absl::StrCat("the ", kind_.noun, " has ended"), Fault::kHypervisor);
  if (phase_ == Phase::kStarted)
    return absl::FailedPreconditionError(absl::StrCat(name_, ": the ", kind_.noun, " was started before"));
  phase_ = Phase::kStarted;
  return absl::OkStatus();
}

void DomainEnvironment::SetChannel(std::shared_ptr<GuestChannel> channel) {
  MutexLock lock(mutex_);
  std::swap(channel_, channel);
}

void DomainEnvironment::SetTree(const std::string& root) {
  MutexLock lock(mutex_);
  tree_ = root;
}

absl::Status DomainEnvironment::LendResolverTo(absl::string_view root, Deadline deadline,
                                               std::stop_token stop) {
  return RunQuietly(LendResolver(root), "name a resolver", deadline, std::move(stop));
}

absl::Status DomainEnvironment::ReturnResolverOf(absl::string_view root, Deadline deadline,
                                                 std::stop_token stop) {
  return RunQuietly(ReturnResolver(root), "take the resolver out", deadline, std::move(stop));
}

absl::Status DomainEnvironment::RunQuietly(const EnvironmentCommand& command, absl::string_view what,
                                           Deadline deadline, std::stop_token stop) {
  if (!reaches_out()) return absl::OkStatus();
  std::string said;
  const OutputSink sink = [&](OutputStream, absl::string_view data) { absl::StrAppend(&said, data); };
  RW_ASSIGN_OR_RETURN(const CommandResult ran, Run(command, sink, deadline, std::move(stop)));
  if (ran.ok()) return absl::OkStatus();
  return WithFault(absl::InternalError(absl::StrCat(name_, ": ", what, ": exit ", ran.exit_code, ": ", said)),
                   Fault::kGuest);
}

absl::StatusOr<std::shared_ptr<GuestShells>> DomainEnvironment::Shells(Deadline deadline,
                                                                       std::stop_token stop) {
  RW_RETURN_IF_ERROR(Channel().status());
  MutexLock making(shells_mutex_);
  {
    MutexLock lock(mutex_);
    if (shells_ != nullptr) return shells_;
  }
  const EitherStop either(stop, watch_.ended());
  RW_ASSIGN_OR_RETURN(UniqueFd socket, ConnectShells(deadline, either.token()));
  RW_ASSIGN_OR_RETURN(std::shared_ptr<GuestShells> shells,
                      GuestShells::Start(std::move(socket), deadline, either.token()));
  MutexLock lock(mutex_);
  // An End or a Kill that came meanwhile found none to close.
  if (channel_ == nullptr || watch_.fate() != DomainWatch::Fate::kAlive)
    return absl::UnavailableError(absl::StrCat(name_, ": the ", kind_.noun, " has ended"));
  return shells_ = std::move(shells);
}

absl::StatusOr<std::unique_ptr<Shell>> DomainEnvironment::OpenShell(const ShellCommand& command,
                                                                    Deadline deadline, std::stop_token stop) {
  const auto shells = Shells(deadline, std::move(stop));
  if (!shells.ok()) return Annotate(shells.status(), "open a shell");
  std::string root = "/";
  if (command.root == ShellCommand::Root::kBuild) {
    MutexLock lock(mutex_);
    root = tree_;
  }
  ShellCommand told = command;
  // For a program in the environment's own root that wants to find the build's.
  MutexLock lock(mutex_);
  told.variables.try_emplace("ROOTWRIGHT_ROOT", command.root == ShellCommand::Root::kBuild ? "/" : tree_);
  return (*shells)->Open(told, root);
}

void DomainEnvironment::CloseShells() {
  std::shared_ptr<GuestShells> shells;
  {
    MutexLock lock(mutex_);
    shells = shells_;
  }
  if (shells != nullptr) shells->Close(absl::StrCat("shell: the ", kind_.noun, " of the build has ended"));
}

absl::StatusOr<std::shared_ptr<GuestChannel>> DomainEnvironment::Channel() {
  MutexLock lock(mutex_);
  if (channel_ != nullptr) return channel_;
  return absl::UnavailableError(absl::StrCat(
      name_, ": the ", kind_.noun, phase_ == Phase::kEnded ? " has ended" : " has not been reached"));
}

absl::Status DomainEnvironment::Explain(const absl::Status& status, const std::stop_token& stop) {
  const bool lost = absl::IsUnavailable(status) || (absl::IsCancelled(status) && !stop.stop_requested());
  if (status.ok() || !lost) return WithFault(status, Fault::kGuest);
  // The channel ends a moment before libvirt tells that the domain has.
  if (watch_.fate() == DomainWatch::Fate::kAlive) watch_.AwaitStopped(Deadline::In(kind_.event_delay));
  switch (watch_.fate()) {
    case DomainWatch::Fate::kKilled:
      return Ended(absl::StrCat("the ", kind_.noun, " was killed"), Fault::kHypervisor);
    case DomainWatch::Fate::kEndedByGuest:
    case DomainWatch::Fate::kStopped:
      return ExplainEnd(watch_.fate());
    case DomainWatch::Fate::kLibvirtLost:
      return Ended(
          absl::StrCat("libvirt: ", connection_->uri(), ": out of reach: is libvirtd running there?"),
          Fault::kHypervisor);
    case DomainWatch::Fate::kAlive:
      break;
  }
  return Ended(absl::StrCat(std::string(status.message()), Evidence()), FaultOf(status, Fault::kGuest));
}

absl::StatusOr<CommandResult> DomainEnvironment::Run(const EnvironmentCommand& command,
                                                     const OutputSink& sink, Deadline deadline,
                                                     std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  const EitherStop either(stop, watch_.ended());
  absl::StatusOr<CommandResult> result = channel->Run(command, sink, deadline, either.token());
  if (!result.ok()) return Explain(result.status(), stop);
  const std::string cause = TakeCause();
  if (!result->ok()) result->cause = cause;
  return result;
}

absl::Status DomainEnvironment::PutFile(absl::string_view path, int mode, absl::string_view content,
                                        Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  const EitherStop either(stop, watch_.ended());
  return Explain(channel->PutFile(path, mode, content, deadline, either.token()), stop);
}

absl::Status DomainEnvironment::GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink,
                                        Deadline deadline, std::stop_token stop) {
  RW_ASSIGN_OR_RETURN(const std::shared_ptr<GuestChannel> channel, Channel());
  const EitherStop either(stop, watch_.ended());
  return Explain(channel->GetFile(path, max_bytes, sink, deadline, either.token()), stop);
}

std::map<std::string, std::string> DomainEnvironment::Tools() {
  std::map<std::string, std::string> tools;
  if (const auto version = connection_->DaemonVersion(); version.ok()) tools["libvirt"] = *version;
  if (const auto version = connection_->EmulatorVersion(); version.ok()) tools[kind_.emulator] = *version;
  return tools;
}

absl::StatusOr<absl::Duration> DomainEnvironment::CpuTime() { return connection_->DomainCpuTime(name_); }

absl::Status DomainEnvironment::End(absl::Duration grace) {
  std::shared_ptr<GuestChannel> channel;
  bool started;
  {
    MutexLock lock(mutex_);
    if (phase_ == Phase::kEnded) return absl::OkStatus();
    started = phase_ == Phase::kStarted;
    channel = std::move(channel_);
    channel_ = nullptr;
  }
  CloseShells();
  const Deadline deadline = Deadline::In(grace);
  const bool orderly = started && channel != nullptr && grace > absl::ZeroDuration() &&
                       watch_.fate() == DomainWatch::Fate::kAlive &&
                       channel->Shutdown(deadline, watch_.ended()).ok() && watch_.AwaitStopped(deadline);
  if (channel != nullptr) channel->Close();
  const bool by_force = started && !orderly;
  absl::Status status;
  if (by_force) status = Annotate(Destroy(), "end");
  status.Update(CleanUp(by_force));
  RW_RETURN_IF_ERROR(status);
  MutexLock lock(mutex_);
  phase_ = Phase::kEnded;
  return absl::OkStatus();
}

void DomainEnvironment::EndOrWarn() {
  if (const absl::Status ended = End(absl::ZeroDuration()); !ended.ok())
    spdlog::warn("{}", std::string(ended.message()));
}

void DomainEnvironment::Kill() {
  watch_.MarkKilled();
  std::shared_ptr<GuestChannel> channel;
  {
    MutexLock lock(mutex_);
    // It will not start any more; End takes away what it has.
    if (phase_ != Phase::kStarted) return;
    channel = channel_;
  }
  if (channel != nullptr) channel->Close();
  CloseShells();
  if (const absl::Status destroyed = Destroy(); !destroyed.ok())
    spdlog::warn("kill: {}", std::string(destroyed.message()));
}

}  // namespace rootwright
