#include "executors/libvirt/libvirt_event_loop.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>

#include "base/mutex.h"
#include "executors/libvirt/libvirt_error.h"

namespace rootwright {
namespace {

// libvirt's own rule, not our choice: virEventRegisterDefaultImpl counts for the process and
// has no way back.
struct ProcessLoop {
  Mutex mutex;
  std::weak_ptr<LibvirtEventLoop> current RW_GUARDED_BY(mutex);
  bool registered RW_GUARDED_BY(mutex) = false;
};

ProcessLoop& OfProcess() {
  static ProcessLoop* const loop = new ProcessLoop;
  return *loop;
}

absl::Status Register() {
  if (virInitialize() < 0) return LibvirtStatus("start libvirt's client library", "");
  virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
  if (virEventRegisterDefaultImpl() < 0) return LibvirtStatus("register an event loop", "");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<LibvirtEventLoop>> LibvirtEventLoop::Share() {
  ProcessLoop& process = OfProcess();
  MutexLock lock(process.mutex);
  if (std::shared_ptr<LibvirtEventLoop> running = process.current.lock()) return running;
  if (!process.registered) {
    if (absl::Status status = Register(); !status.ok()) return status;
    process.registered = true;
  }
  std::shared_ptr<LibvirtEventLoop> loop(new LibvirtEventLoop);
  loop->wake_ = virEventAddTimeout(
      -1, [](int, void*) {}, nullptr, nullptr);
  if (loop->wake_ < 0) return LibvirtStatus("add a timer to the event loop", "");
  // Signals are for the program's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  loop->thread_ = std::thread(&LibvirtEventLoop::Run, loop->ended_);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  process.current = loop;
  return loop;
}

LibvirtEventLoop::~LibvirtEventLoop() {
  if (!thread_.joinable()) return;
  *ended_ = true;
  virEventUpdateTimeout(wake_, 0);
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
  virEventRemoveTimeout(wake_);
}

void LibvirtEventLoop::Run(std::shared_ptr<std::atomic<bool>> ended) {
  while (!*ended) {
    // It fails only when poll(2) does, for want of memory: the next round may do better.
    if (virEventRunDefaultImpl() < 0) virResetLastError();
  }
}

}  // namespace rootwright
