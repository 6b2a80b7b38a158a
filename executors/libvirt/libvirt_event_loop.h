#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"

namespace rootwright {

// The thread that runs libvirt's event loop: keepalives, events and close callbacks of all
// connections of the process come from it. libvirt knows one loop a process, so connections
// share it; it ends with the last of them.
class LibvirtEventLoop {
 public:
  // The running one, or a new one. Also initialises libvirt and silences its habit of
  // printing errors to standard error. From any thread.
  static absl::StatusOr<std::shared_ptr<LibvirtEventLoop>> Share();
  // Waits for the thread, unless called from it.
  ~LibvirtEventLoop();

 private:
  LibvirtEventLoop() = default;
  static void Run(std::shared_ptr<std::atomic<bool>> ended);

  // Wakes the loop for its end; libvirt's number.
  int wake_ = -1;
  // Shared with the thread, which may outlive this object when that is destroyed in it.
  std::shared_ptr<std::atomic<bool>> ended_ = std::make_shared<std::atomic<bool>>(false);
  std::thread thread_;
};

}  // namespace rootwright
