#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "executors/libvirt/libvirt_connection.h"

namespace rootwright {

// Who wants to know what happens to which domain. Calls may come from any thread; listeners are called
// without a lock, and one that has just been removed may still be called by another thread.
class DomainListeners : public std::enable_shared_from_this<DomainListeners> {
 public:
  // Removed when the subscription goes, which may outlive this object.
  std::unique_ptr<LibvirtConnection::Subscription> Add(const std::string& domain,
                                                       LibvirtConnection::DomainListener listener);
  void Clear();

  void Tell(absl::string_view domain, DomainEvent event);
  void TellAll(DomainEvent event);
  std::set<std::string> Domains() const;

 private:
  class Listening;
  struct Listener {
    std::string domain;
    std::shared_ptr<LibvirtConnection::DomainListener> call;
  };

  void Remove(uint64_t id);
  std::map<uint64_t, Listener> All() const;

  mutable Mutex mutex_;
  uint64_t next_ RW_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Listener> listeners_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
