#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/subprocess.h"
#include "base/unique_fd.h"

namespace rootwright {

// A passt(1) or pasta(1), or what has its --pid, that runs beside an environment until it is let go or the
// agent dies. One that ends by itself leaves the environment without its network and a line in the agent's
// log.
class NetworkProgram {
 public:
  // Starts it and waits until it says that it is ready: it gets the words "--pid FILE" and writes its number
  // there once all is set up. `whose` is for messages. Unavailable, with its own words, when it ends first;
  // Cancelled and DeadlineExceeded, and it is ended.
  static absl::StatusOr<std::unique_ptr<NetworkProgram>> Start(SubprocessSpec spec, const std::string& whose,
                                                               Deadline deadline, std::stop_token stop);
  // Ends it, if it runs.
  ~NetworkProgram() = default;

  pid_t pid() const { return pid_; }

 private:
  explicit NetworkProgram(std::string whose) : whose_(std::move(whose)) {}

  void Run(const SubprocessSpec& spec, UniqueFd ready, const std::stop_token& stop);
  std::string TakeEnding();

  const std::string whose_;
  pid_t pid_ = 0;
  Mutex mutex_;
  // How it ended, in words.
  std::string ending_ RW_GUARDED_BY(mutex_);
  bool ready_ RW_GUARDED_BY(mutex_) = false;
  // The last member: it uses the others.
  std::jthread runner_;
};

}  // namespace rootwright
