#pragma once

#include <functional>
#include <thread>

#include "base/mutex.h"

namespace rootwright::cli {

// Ctrl-C and SIGTERM as calls instead of sudden death. Made before anything that starts
// threads, because it blocks the signals for the calling thread and those it starts. Until
// a handler is set a signal still ends the program, with exit code 130.
class Interrupts {
 public:
  enum class Kind { kInterrupt, kTerminate };
  using Handler = std::function<void(Kind)>;

  Interrupts();
  ~Interrupts();

  // Called on a thread of its own; null goes back to ending the program.
  void SetHandler(Handler handler);

 private:
  void Run(std::stop_token stop);

  Mutex mutex_;
  Handler handler_ RW_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace rootwright::cli
