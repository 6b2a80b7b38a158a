#include "executors/libvirt/libvirt_connection.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status.h"
#include "executors/libvirt/domain_listeners.h"
#include "executors/libvirt/libvirt_error.h"
#include "executors/libvirt/libvirt_event_loop.h"

namespace rootwright {
namespace {

struct FreeDomain {
  void operator()(virDomainPtr domain) const { virDomainFree(domain); }
};
using Domain = std::unique_ptr<virDomain, FreeDomain>;
using Link = std::shared_ptr<virConnect>;

absl::StatusOr<Domain> LookUp(virConnectPtr link, absl::string_view what, const std::string& name) {
  Domain domain(virDomainLookupByName(link, name.c_str()));
  if (domain == nullptr) return LibvirtStatus(what, name);
  return domain;
}

// libvirt's numbers: 1000000 × major + 1000 × minor + release.
std::string VersionText(unsigned long version) {
  return absl::StrCat(version / 1000000, ".", version / 1000 % 1000, ".", version % 1000);
}

// Runs a call in a thread of its own and gives it up after `limit`: libvirt cannot end a call
// that hangs. The thread then goes on until libvirt returns, which is why `call` owns all that
// it uses.
template <typename T>
absl::StatusOr<T> Bounded(absl::Duration limit, absl::string_view what,
                          std::function<absl::StatusOr<T>()> call) {
  auto task = std::make_shared<std::packaged_task<absl::StatusOr<T>()>>(std::move(call));
  std::future<absl::StatusOr<T>> answer = task->get_future();
  std::thread([task] { (*task)(); }).detach();
  if (answer.wait_for(absl::ToChronoNanoseconds(limit)) == std::future_status::ready) return answer.get();
  return absl::UnavailableError(
      absl::StrCat(what, ": libvirt has not answered for ", absl::FormatDuration(limit)));
}

}  // namespace

class LibvirtConnection::State : public std::enable_shared_from_this<State> {
 public:
  State(LibvirtSettings settings, std::shared_ptr<LibvirtEventLoop> loop)
      : settings_(std::move(settings)), loop_(std::move(loop)) {}

  const LibvirtSettings& settings() const { return settings_; }

  // Opens and reopens until Stop; the body of a thread that shares this object.
  void Keep();
  void WaitForFirstTry();
  // Waits for Keep to return, but not for an open that hangs.
  void Stop();

  absl::StatusOr<Link> Current();
  // Marks `link` as lost when a failed call finds it dead before its keepalive does.
  absl::Status Judge(const Link& link, absl::Status status);

  DomainListeners& listeners() { return *listeners_; }

 private:
  absl::StatusOr<Link> Open();
  // Null when it did not work.
  Link TryToOpen();
  // False when it is to stop.
  bool WaitForLoss(const Link& link);
  void Lose(virConnectPtr link, absl::string_view why);
  // After a gap in the events: tells of machines that ended meanwhile.
  void Resynchronise(const Link& link);

  const LibvirtSettings settings_;
  const std::shared_ptr<LibvirtEventLoop> loop_;
  const std::shared_ptr<DomainListeners> listeners_ = std::make_shared<DomainListeners>();

  Mutex mutex_;
  CondVar changed_;
  Link link_ RW_GUARDED_BY(mutex_);
  absl::Status trouble_ RW_GUARDED_BY(mutex_) = absl::UnavailableError("not connected yet");
  bool tried_ RW_GUARDED_BY(mutex_) = false;
  bool stopping_ RW_GUARDED_BY(mutex_) = false;
  bool opening_ RW_GUARDED_BY(mutex_) = false;
  bool ended_ RW_GUARDED_BY(mutex_) = false;
};

absl::StatusOr<Link> LibvirtConnection::State::Open() {
  const absl::Duration limit = settings_.call_limit;
  RW_ASSIGN_OR_RETURN(Link link, Bounded<Link>(limit, absl::StrCat("connect to ", settings_.uri),
                                               [uri = settings_.uri]() -> absl::StatusOr<Link> {
                                                 const virConnectPtr opened = virConnectOpen(uri.c_str());
                                                 if (opened == nullptr)
                                                   return LibvirtStatus("connect to", uri);
                                                 return Link(opened,
                                                             [](virConnectPtr end) { virConnectClose(end); });
                                               }));
  // The callbacks hold this object weakly: they belong to the link and go with it.
  using Weak = std::weak_ptr<State>;
  const auto free_weak = [](void* opaque) { delete static_cast<Weak*>(opaque); };
  const auto on_close = [](virConnectPtr lost, int, void* opaque) {
    if (const auto state = static_cast<Weak*>(opaque)->lock()) state->Lose(lost, "the connection was closed");
  };
  // Drivers without a daemon have neither keepalives nor close callbacks, and say so only of the first.
  if (virConnectSetKeepAlive(link.get(), static_cast<int>(absl::ToInt64Seconds(settings_.keepalive_interval)),
                             static_cast<unsigned>(settings_.keepalive_count)) >= 0) {
    auto* const for_close = new Weak(weak_from_this());
    if (virConnectRegisterCloseCallback(link.get(), on_close, for_close, free_weak) < 0) delete for_close;
  }

  const virConnectDomainEventCallback on_event = [](virConnectPtr, virDomainPtr domain, int event, int detail,
                                                    void* opaque) {
    const auto state = static_cast<Weak*>(opaque)->lock();
    if (state == nullptr) return 0;
    if (event == VIR_DOMAIN_EVENT_STARTED)
      state->listeners().Tell(virDomainGetName(domain), DomainEvent::kStarted);
    if (event == VIR_DOMAIN_EVENT_STOPPED) {
      const bool by_guest = detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN;
      state->listeners().Tell(virDomainGetName(domain),
                              by_guest ? DomainEvent::kEndedByGuest : DomainEvent::kStopped);
    }
    return 0;
  };
  auto* const for_events = new Weak(weak_from_this());
  if (virConnectDomainEventRegisterAny(link.get(), nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                       VIR_DOMAIN_EVENT_CALLBACK(on_event), for_events, free_weak) < 0) {
    delete for_events;
    return LibvirtStatus("listen to", settings_.uri);
  }
  return link;
}

void LibvirtConnection::State::Keep() {
  absl::Duration back_off = settings_.first_back_off;
  // Set while it is lost and nobody has been told.
  std::optional<Deadline> tell_at;
  bool first = true;
  for (;;) {
    const Link link = TryToOpen();
    if (link != nullptr) {
      back_off = settings_.first_back_off;
      tell_at.reset();
      if (!first) spdlog::info("libvirt: {}: connected again", settings_.uri);
      if (!first) Resynchronise(link);
    }
    first = false;
    if (!WaitForLoss(link)) break;
    if (link != nullptr) {
      spdlog::warn("libvirt: {}: lost, trying again", settings_.uri);
      tell_at = Deadline::In(settings_.loss_grace);
    }
    if (tell_at && tell_at->Passed()) {
      tell_at.reset();
      listeners_->TellAll(DomainEvent::kLibvirtLost);
    }
    MutexLock lock(mutex_);
    const absl::Duration pause = tell_at ? std::min(back_off, tell_at->Left()) : back_off;
    changed_.wait_for(mutex_, absl::ToChronoNanoseconds(pause),
                      [this]() RW_REQUIRES(mutex_) { return stopping_; });
    back_off = std::min(back_off * 2, settings_.last_back_off);
  }
  MutexLock lock(mutex_);
  link_ = nullptr;
  ended_ = true;
  changed_.notify_all();
}

Link LibvirtConnection::State::TryToOpen() {
  {
    MutexLock lock(mutex_);
    if (stopping_) return nullptr;
    opening_ = true;
  }
  const absl::StatusOr<Link> opened = Open();
  MutexLock lock(mutex_);
  opening_ = false;
  tried_ = true;
  if (opened.ok()) link_ = *opened;
  if (!opened.ok()) trouble_ = absl::UnavailableError(opened.status().message());
  changed_.notify_all();
  return link_;
}

bool LibvirtConnection::State::WaitForLoss(const Link& link) {
  MutexLock lock(mutex_);
  changed_.wait(mutex_, [&]() RW_REQUIRES(mutex_) { return stopping_ || link == nullptr || link_ != link; });
  return !stopping_;
}

void LibvirtConnection::State::WaitForFirstTry() {
  MutexLock lock(mutex_);
  changed_.wait(mutex_, [this]() RW_REQUIRES(mutex_) { return tried_; });
}

void LibvirtConnection::State::Stop() {
  listeners_->Clear();
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  changed_.wait(mutex_, [this]() RW_REQUIRES(mutex_) { return ended_ || opening_; });
}

absl::StatusOr<Link> LibvirtConnection::State::Current() {
  MutexLock lock(mutex_);
  if (link_ == nullptr) return Annotate(trouble_, "libvirt");
  return link_;
}

void LibvirtConnection::State::Lose(virConnectPtr link, absl::string_view why) {
  MutexLock lock(mutex_);
  if (link_.get() != link) return;
  trouble_ = absl::UnavailableError(absl::StrCat(settings_.uri, ": ", why));
  link_ = nullptr;
  changed_.notify_all();
}

absl::Status LibvirtConnection::State::Judge(const Link& link, absl::Status status) {
  if (status.ok() || virConnectIsAlive(link.get()) == 1) return status;
  Lose(link.get(), "the connection was lost");
  return absl::UnavailableError(
      absl::StrCat("libvirt: ", settings_.uri, ": ", std::string(status.message())));
}

void LibvirtConnection::State::Resynchronise(const Link& link) {
  for (const std::string& domain : listeners_->Domains()) {
    const absl::Status found = LookUp(link.get(), "find domain", domain).status();
    if (absl::IsNotFound(found)) listeners_->Tell(domain, DomainEvent::kStopped);
  }
}

// One call against the current link: bounded in time, and judged afterwards.
template <typename T>
absl::StatusOr<T> LibvirtConnection::Call(absl::string_view what,
                                          std::function<absl::StatusOr<T>(virConnect*)> call) {
  absl::StatusOr<Link> link = state_->Current();
  if (!link.ok()) return WithFault(link.status(), Fault::kHypervisor);
  absl::StatusOr<T> result =
      Bounded<T>(state_->settings().call_limit, what, [link = *link, call] { return call(link.get()); });
  if (result.ok()) return result;
  return WithFault(state_->Judge(*link, result.status()), Fault::kHypervisor);
}

absl::StatusOr<std::unique_ptr<LibvirtConnection>> LibvirtConnection::Create(
    const LibvirtSettings& settings) {
  RW_ASSIGN_OR_RETURN(std::shared_ptr<LibvirtEventLoop> loop, LibvirtEventLoop::Share());
  auto state = std::make_shared<State>(settings, std::move(loop));
  std::thread([state] { state->Keep(); }).detach();
  state->WaitForFirstTry();
  return std::unique_ptr<LibvirtConnection>(new LibvirtConnection(std::move(state)));
}

LibvirtConnection::~LibvirtConnection() { state_->Stop(); }

const std::string& LibvirtConnection::uri() const { return state_->settings().uri; }

absl::Status LibvirtConnection::Check() { return DaemonVersion().status(); }

absl::StatusOr<std::string> LibvirtConnection::DaemonVersion() {
  return Call<std::string>("ask libvirt's version", [](virConnect* link) -> absl::StatusOr<std::string> {
    unsigned long version = 0;
    if (virConnectGetLibVersion(link, &version) < 0) return LibvirtStatus("ask libvirt's version", "");
    return VersionText(version);
  });
}

absl::StatusOr<std::string> LibvirtConnection::EmulatorVersion() {
  return Call<std::string>("ask QEMU's version", [](virConnect* link) -> absl::StatusOr<std::string> {
    unsigned long version = 0;
    if (virConnectGetVersion(link, &version) < 0) return LibvirtStatus("ask QEMU's version", "");
    return VersionText(version);
  });
}

absl::StatusOr<std::string> LibvirtConnection::Capabilities() {
  return Call<std::string>("ask libvirt's capabilities", [](virConnect* link) -> absl::StatusOr<std::string> {
    const std::unique_ptr<char, decltype(&free)> xml(virConnectGetCapabilities(link), &free);
    if (xml == nullptr) return LibvirtStatus("ask libvirt's capabilities", "");
    return std::string(xml.get());
  });
}

absl::Status LibvirtConnection::CreateDomain(const std::string& name, const std::string& xml) {
  return StartDomain(
      name, [xml](virConnect* link) { return virDomainCreateXML(link, xml.c_str(), VIR_DOMAIN_NONE); });
}

absl::Status LibvirtConnection::CreateContainer(const std::string& name, const std::string& xml,
                                                std::vector<UniqueFd> descriptors) {
  // Of the call: it may outlive this one.
  const auto held = std::make_shared<std::vector<UniqueFd>>(std::move(descriptors));
  return StartDomain(name, [xml, held](virConnect* link) {
    std::vector<int> files;
    for (const UniqueFd& descriptor : *held) files.push_back(descriptor.get());
    return virDomainCreateXMLWithFiles(link, xml.c_str(), static_cast<unsigned>(files.size()), files.data(),
                                       VIR_DOMAIN_NONE);
  });
}

absl::Status LibvirtConnection::StartDomain(const std::string& name,
                                            const std::function<virDomainPtr(virConnect*)>& make) {
  const auto given_up = std::make_shared<std::atomic<bool>>(false);
  const absl::Status created = Call<bool>(absl::StrCat("create domain: ", name),
                                          [name, make, given_up](virConnect* link) -> absl::StatusOr<bool> {
                                            const Domain domain(make(link));
                                            if (domain == nullptr)
                                              return LibvirtStatus("create domain", name);
                                            // Too late: whoever wanted it has looked for it already, and
                                            // found nothing to end.
                                            if (*given_up) virDomainDestroy(domain.get());
                                            return true;
                                          })
                                   .status();
  *given_up = !created.ok();
  return created;
}

absl::StatusOr<int> LibvirtConnection::DomainId(const std::string& name) {
  return Call<int>(absl::StrCat("find domain: ", name), [name](virConnect* link) -> absl::StatusOr<int> {
    RW_ASSIGN_OR_RETURN(const Domain domain, LookUp(link, "find domain", name));
    const unsigned int id = virDomainGetID(domain.get());
    if (id == static_cast<unsigned int>(-1)) return LibvirtStatus("find domain", name);
    return static_cast<int>(id);
  });
}

absl::Status LibvirtConnection::DestroyDomain(const std::string& name) {
  return Call<bool>(absl::StrCat("destroy domain: ", name),
                    [name](virConnect* link) -> absl::StatusOr<bool> {
                      RW_ASSIGN_OR_RETURN(const Domain domain, LookUp(link, "destroy domain", name));
                      if (virDomainDestroyFlags(domain.get(), VIR_DOMAIN_DESTROY_DEFAULT) == 0) return true;
                      // It ended by itself between the two calls.
                      if (virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID) return true;
                      return LibvirtStatus("destroy domain", name);
                    })
      .status();
}

absl::StatusOr<absl::Duration> LibvirtConnection::DomainCpuTime(const std::string& name) {
  const std::string what = absl::StrCat("ask for the CPU time of domain: ", name);
  return Call<absl::Duration>(what, [name](virConnect* link) -> absl::StatusOr<absl::Duration> {
    RW_ASSIGN_OR_RETURN(const Domain domain, LookUp(link, "ask for the CPU time of domain", name));
    virDomainInfo info{};
    if (virDomainGetInfo(domain.get(), &info) < 0)
      return LibvirtStatus("ask for the CPU time of domain", name);
    return absl::Nanoseconds(static_cast<int64_t>(info.cpuTime));
  });
}

absl::StatusOr<std::string> LibvirtConnection::DomainDescription(const std::string& name) {
  return Call<std::string>(
      absl::StrCat("describe domain: ", name), [name](virConnect* link) -> absl::StatusOr<std::string> {
        RW_ASSIGN_OR_RETURN(const Domain domain, LookUp(link, "describe domain", name));
        const std::unique_ptr<char, decltype(&free)> xml(virDomainGetXMLDesc(domain.get(), 0), &free);
        if (xml == nullptr) return LibvirtStatus("describe domain", name);
        return std::string(xml.get());
      });
}

absl::StatusOr<std::vector<std::string>> LibvirtConnection::ListDomains(absl::string_view prefix) {
  using Names = std::vector<std::string>;
  return Call<Names>("list domains",
                     [prefix = std::string(prefix)](virConnect* link) -> absl::StatusOr<Names> {
                       virDomainPtr* found = nullptr;
                       const int count = virConnectListAllDomains(link, &found, 0);
                       if (count < 0) return LibvirtStatus("list domains", "");
                       Names names;
                       for (int i = 0; i < count; ++i) {
                         const Domain domain(found[i]);
                         const std::string name = virDomainGetName(domain.get());
                         if (absl::StartsWith(name, prefix)) names.push_back(name);
                       }
                       free(found);
                       return names;
                     });
}

std::unique_ptr<LibvirtConnection::Subscription> LibvirtConnection::Listen(const std::string& domain,
                                                                           DomainListener listener) {
  return state_->listeners().Add(domain, std::move(listener));
}

}  // namespace rootwright
