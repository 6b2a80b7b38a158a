#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "executors/shell.h"

namespace rootwright {

class GuestWire;

// Shells in one environment, over a connection to rootwright-guest of their own, so that nothing of the build
// waits for them: a thread moves the bytes of all of them. From any thread. As with GuestChannel, nothing
// that the guest sends is trusted.
class GuestShells {
 public:
  // Says hello first; GuestChannel::Adopt's errors.
  static absl::StatusOr<std::unique_ptr<GuestShells>> Start(UniqueFd socket, Deadline deadline,
                                                            std::stop_token stop);
  // Closes.
  ~GuestShells();

  // `root` is a path in the environment. What the guest refuses is told by the first Read. The shell may
  // outlive this object. Unavailable once the connection has ended.
  absl::StatusOr<std::unique_ptr<Shell>> Open(const ShellCommand& command, const std::string& root);

  // Every shell ends as Unavailable, with `why`; none can be opened any more.
  void Close(const std::string& why);

 private:
  struct Talk;
  struct Shared;
  class Handle;
  explicit GuestShells(std::unique_ptr<GuestWire> wire);

  const std::shared_ptr<Shared> shared_;
  const std::unique_ptr<GuestWire> wire_;
  std::thread pump_;
};

}  // namespace rootwright
