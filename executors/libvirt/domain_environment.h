#pragma once

#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/fault.h"
#include "base/mutex.h"
#include "executors/environment.h"
#include "executors/executor.h"
#include "executors/guest/guest_channel.h"
#include "executors/guest/guest_shells.h"
#include "executors/libvirt/domain_watch.h"
#include "executors/libvirt/libvirt_connection.h"
#include "executors/shell.h"

namespace rootwright {

// What a machine and a container have in common: a transient domain of libvirt, rootwright-guest in it, and a
// channel to that. The two differ in how they start, die and get a tree.
class DomainEnvironment : public Environment {
 public:
  absl::StatusOr<CommandResult> Run(const EnvironmentCommand& command, const OutputSink& sink,
                                    Deadline deadline, std::stop_token stop) override;
  absl::Status PutFile(absl::string_view path, int mode, absl::string_view content, Deadline deadline,
                       std::stop_token stop) override;
  absl::Status GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink, Deadline deadline,
                       std::stop_token stop) override;
  absl::StatusOr<std::unique_ptr<Shell>> OpenShell(const ShellCommand& command, Deadline deadline,
                                                   std::stop_token stop) override;
  std::map<std::string, std::string> Tools() override;
  absl::StatusOr<absl::Duration> CpuTime() override;
  absl::Status End(absl::Duration grace) override;
  void Kill() override;

 protected:
  struct Kind {
    // "machine".
    std::string noun;
    // The name in Tools() of what libvirt runs it on: "qemu".
    std::string emulator;
    // How long libvirt's word about an ended one may take after the channel's end.
    absl::Duration event_delay;
  };
  DomainEnvironment(std::string name, Kind kind, Network network,
                    std::shared_ptr<LibvirtConnection> connection);

  // Whose it is that the domain, which nobody killed, ended with `fate`, and in what words.
  virtual absl::Status ExplainEnd(DomainWatch::Fate fate) = 0;
  // What makes the error of a domain that lives clearer; ends the message.
  virtual std::string Evidence() { return ""; }
  // The connection for shells, asked for when the first one is wanted, and again after it was lost.
  virtual absl::StatusOr<UniqueFd> ConnectShells(Deadline deadline, std::stop_token stop) = 0;
  // For CommandResult::cause, after each command.
  virtual std::string TakeCause() { return ""; }
  // By force; done when nothing of it runs. From any thread.
  virtual absl::Status Destroy() = 0;
  // After its end, whatever became of that; `by_force` when it was destroyed.
  virtual absl::Status CleanUp(bool /*by_force*/) { return absl::OkStatus(); }

  // For Reach: it starts now. Unavailable when it was killed or has ended, FailedPrecondition when it was
  // started.
  absl::Status BeginStart();
  void SetChannel(std::shared_ptr<GuestChannel> channel);
  // Where the imported tree is from now on.
  void SetTree(const std::string& root);
  bool reaches_out() const { return network_ == Network::kOutbound; }
  // resolver_file.h's commands; nothing where it does not reach out.
  absl::Status LendResolverTo(absl::string_view root, Deadline deadline, std::stop_token stop);
  absl::Status ReturnResolverOf(absl::string_view root, Deadline deadline, std::stop_token stop);
  // The channel, or why there is none.
  absl::StatusOr<std::shared_ptr<GuestChannel>> Channel();
  // What a failed call of the channel means: the domain's fate goes before the channel's words.
  absl::Status Explain(const absl::Status& status, const std::stop_token& stop);
  // "NAME: how".
  absl::Status Ended(absl::string_view how, Fault fault) const;
  // For the destructors of those that can Destroy.
  void EndOrWarn();

  const std::string& name() const { return name_; }
  LibvirtConnection& connection() { return *connection_; }
  DomainWatch& watch() { return watch_; }

 private:
  absl::StatusOr<std::shared_ptr<GuestShells>> Shells(Deadline deadline, std::stop_token stop);
  void CloseShells();
  absl::Status RunQuietly(const EnvironmentCommand& command, absl::string_view what, Deadline deadline,
                          std::stop_token stop);

  const std::string name_;
  const Kind kind_;
  const Network network_;
  const std::shared_ptr<LibvirtConnection> connection_;
  DomainWatch watch_;

  enum class Phase { kMade, kStarted, kEnded };
  Mutex mutex_;
  Phase phase_ RW_GUARDED_BY(mutex_) = Phase::kMade;
  // Shared with a Kill that comes while the build's thread lets go of it.
  std::shared_ptr<GuestChannel> channel_ RW_GUARDED_BY(mutex_);
  std::string tree_ RW_GUARDED_BY(mutex_) = "/";
  std::shared_ptr<GuestShells> shells_ RW_GUARDED_BY(mutex_);
  // Held while the connection for shells is made.
  Mutex shells_mutex_;
};

}  // namespace rootwright
