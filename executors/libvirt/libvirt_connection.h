#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"

// libvirt.h stays in the sources.
struct _virConnect;
struct _virDomain;

namespace rootwright {

using virConnect = ::_virConnect;

// How a LibvirtConnection reaches its daemon.
struct LibvirtSettings {
  // E.g. "qemu:///system".
  std::string uri;
  // A daemon that is silent for interval × (count + 1) counts as lost.
  absl::Duration keepalive_interval = absl::Seconds(5);
  int keepalive_count = 3;
  // Wait before the first and between later tries to open it again; doubles up to the second.
  absl::Duration first_back_off = absl::Milliseconds(200);
  absl::Duration last_back_off = absl::Seconds(15);
  // A shorter absence, such as an upgrade of the daemon, is nobody's trouble: machines go on.
  absl::Duration loss_grace = absl::Seconds(60);
  // A call that has not returned by then is given up: libvirt can hang in a machine's monitor.
  absl::Duration call_limit = absl::Seconds(60);
};

// What listeners of a domain are told.
enum class DomainEvent {
  kStarted,
  // The last event is one of these two. The guest ended the machine: power off, reset, panic.
  kEndedByGuest,
  // It is gone in any other way: QEMU crashed or was killed, or we ended it.
  kStopped,
  // libvirt has been out of reach for loss_grace; the machine may well go on.
  kLibvirtLost,
};

// The one owner of a connection to libvirt. It opens it, keeps it alive, opens it again with
// back-off after a loss, and passes on what happens to domains.
//
// All calls may come from any thread. Errors carry libvirt's own message, as "what failed:
// domain: message"; while there is no connection every call fails at once with Unavailable,
// naming the URI and the reason. No call hangs for good: a daemon that hangs as a whole is
// found by its keepalive, one that answers keepalives but not the call (a machine's monitor
// is stuck) by call_limit. libvirt cannot end such a call, so its thread stays behind until
// libvirt returns.
class LibvirtConnection {
 public:
  // Called from threads of this class: short, and no call back into it.
  using DomainListener = std::function<void(DomainEvent)>;

  // Ends the listening with its life. The listener may still be running then: what it uses it
  // must own.
  class Subscription {
   public:
    virtual ~Subscription() = default;
  };

  // Tries to open it once, waiting for that, and goes on trying by itself: a daemon that is
  // not there yet is no error. Fails when libvirt itself cannot start.
  static absl::StatusOr<std::unique_ptr<LibvirtConnection>> Create(const LibvirtSettings& settings);
  ~LibvirtConnection();

  // Whether libvirt answers now.
  absl::Status Check();
  // E.g. "9.0.0", of the daemon, and of the QEMU that it starts for this host's own architecture; for
  // containers that is the kernel.
  absl::StatusOr<std::string> DaemonVersion();
  absl::StatusOr<std::string> EmulatorVersion();
  // XML of what the host can do.
  absl::StatusOr<std::string> Capabilities();

  // Starts a transient domain.
  absl::Status CreateDomain(const std::string& name, const std::string& xml);
  // The same for a container, whose first process inherits `descriptor` as number 3.
  absl::Status CreateContainer(const std::string& name, const std::string& xml,
                               std::vector<UniqueFd> descriptors);
  // libvirt's number for it while it runs; of a container, the process that holds it.
  absl::StatusOr<int> DomainId(const std::string& name);
  // Ends it by force. NotFound when it is gone already.
  absl::Status DestroyDomain(const std::string& name);
  // Of all its virtual CPUs, as the host counts it.
  absl::StatusOr<absl::Duration> DomainCpuTime(const std::string& name);
  absl::StatusOr<std::string> DomainDescription(const std::string& name);
  // Names of the domains that start with `prefix`. Also of one that is not running: of a container that ended
  // while libvirtd was away, libvirt keeps the name until it is destroyed once more.
  absl::StatusOr<std::vector<std::string>> ListDomains(absl::string_view prefix);

  std::unique_ptr<Subscription> Listen(const std::string& domain, DomainListener listener);

  const std::string& uri() const;

 private:
  class State;
  explicit LibvirtConnection(std::shared_ptr<State> state) : state_(std::move(state)) {}
  // One that libvirt makes only after the call was given up is ended at once.
  absl::Status StartDomain(const std::string& name, const std::function<_virDomain*(virConnect*)>& make);
  template <typename T>
  absl::StatusOr<T> Call(absl::string_view what, std::function<absl::StatusOr<T>(virConnect*)> call);

  std::shared_ptr<State> state_;
};

}  // namespace rootwright
