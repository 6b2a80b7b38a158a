#include "executors/libvirt/domain_listeners.h"

#include <utility>

namespace rootwright {

class DomainListeners::Listening : public LibvirtConnection::Subscription {
 public:
  Listening(std::weak_ptr<DomainListeners> listeners, uint64_t id)
      : listeners_(std::move(listeners)), id_(id) {}
  ~Listening() override {
    if (const auto listeners = listeners_.lock()) listeners->Remove(id_);
  }

 private:
  const std::weak_ptr<DomainListeners> listeners_;
  const uint64_t id_;
};

std::unique_ptr<LibvirtConnection::Subscription> DomainListeners::Add(
    const std::string& domain, LibvirtConnection::DomainListener listener) {
  auto call = std::make_shared<LibvirtConnection::DomainListener>(std::move(listener));
  MutexLock lock(mutex_);
  listeners_[next_] = {domain, std::move(call)};
  return std::make_unique<Listening>(weak_from_this(), next_++);
}

void DomainListeners::Remove(uint64_t id) {
  // Let go of outside the lock: its end may call back.
  Listener removed;
  MutexLock lock(mutex_);
  const auto found = listeners_.find(id);
  if (found == listeners_.end()) return;
  removed = std::move(found->second);
  listeners_.erase(found);
}

void DomainListeners::Clear() {
  std::map<uint64_t, Listener> removed;
  MutexLock lock(mutex_);
  removed.swap(listeners_);
}

std::map<uint64_t, DomainListeners::Listener> DomainListeners::All() const {
  MutexLock lock(mutex_);
  return listeners_;
}

void DomainListeners::Tell(absl::string_view domain, DomainEvent event) {
  for (const auto& [id, listener] : All()) {
    if (listener.domain == domain) (*listener.call)(event);
  }
}

void DomainListeners::TellAll(DomainEvent event) {
  for (const auto& [id, listener] : All()) (*listener.call)(event);
}

std::set<std::string> DomainListeners::Domains() const {
  std::set<std::string> domains;
  for (const auto& [id, listener] : All()) domains.insert(listener.domain);
  return domains;
}

}  // namespace rootwright
