#include "executors/libvirt/domain_watch.h"

#include <algorithm>

namespace rootwright {

void DomainWatch::Shared::Set(Fate next) {
  {
    MutexLock lock(mutex);
    if (next == Fate::kStopped || next == Fate::kEndedByGuest) stopped = true;
    if (fate == Fate::kAlive) fate = next;
    changed.notify_all();
  }
  ended.request_stop();
}

DomainWatch::DomainWatch(LibvirtConnection& connection, const std::string& domain)
    : subscription_(connection.Listen(domain, [shared = shared_](DomainEvent event) {
        if (event == DomainEvent::kEndedByGuest) shared->Set(Fate::kEndedByGuest);
        if (event == DomainEvent::kStopped) shared->Set(Fate::kStopped);
        if (event == DomainEvent::kLibvirtLost) shared->Set(Fate::kLibvirtLost);
      })) {}

DomainWatch::Fate DomainWatch::fate() const {
  MutexLock lock(shared_->mutex);
  return shared_->fate;
}

void DomainWatch::MarkKilled() { shared_->Set(Fate::kKilled); }

bool DomainWatch::AwaitStopped(Deadline deadline) {
  MutexLock lock(shared_->mutex);
  const auto stopped = [this]() RW_REQUIRES(shared_->mutex) { return shared_->stopped; };
  // Not wait_until: the far end of the clock overflows in it.
  const absl::Duration left = std::min(deadline.Left(), absl::Hours(24));
  return shared_->changed.wait_for(shared_->mutex, absl::ToChronoNanoseconds(left), stopped);
}

}  // namespace rootwright
