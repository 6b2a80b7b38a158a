#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/unique_fd.h"
#include "executors/environment.h"

namespace rootwright {

class GuestWire;

// A file system to mount inside the guest.
struct GuestMount {
  // A device, or "serial:NAME" for the virtio disk with that serial; "tmpfs" and the like have none.
  std::string source;
  // Absolute; made, with the folders above it, if it is not there.
  std::string target;
  // E.g. "ext4".
  std::string type;
  // MS_… of mount(2).
  uint64_t flags = 0;
  std::string options;
};

// Connects to what listens at `socket`; Unavailable when nothing does.
absl::StatusOr<UniqueFd> ConnectGuestSocket(const std::filesystem::path& socket);

// The host's end of the conversation with rootwright-guest: a connected unix socket, which
// libvirt's virtio-serial channel or the guest program itself offers.
//
// One call at a time, from any one thread; only Close may come from another. Errors:
// Cancelled and DeadlineExceeded are the caller's; what the guest refused has the code of
// its errno and the guest's words; Unavailable means that the guest or Close ended the
// connection; DataLoss that the guest broke the protocol. After the last two every call
// fails. Nothing that the guest sends is trusted: sizes are bounded, words are made printable.
class GuestChannel {
 public:
  // Tries until something accepts at `socket` and a guest there has said hello: call it as soon
  // as the machine starts. FailedPrecondition when the guest speaks another version.
  static absl::StatusOr<std::unique_ptr<GuestChannel>> Connect(const std::filesystem::path& socket,
                                                               Deadline deadline, std::stop_token stop);
  // The same on a stream socket that is connected already.
  static absl::StatusOr<std::unique_ptr<GuestChannel>> Adopt(UniqueFd socket, Deadline deadline,
                                                             std::stop_token stop);
  ~GuestChannel();

  absl::Status Ping(Deadline deadline, std::stop_token stop);

  // As Environment::Run. Each piece of output is in the sink as soon as it arrives; a slow sink
  // holds the command back, it does not fill memory. A program that cannot be started is the
  // command's failure: exit code 127 (126 when not executable) and a line on stderr. With a
  // stop or a late deadline, TERM has three seconds before KILL.
  absl::StatusOr<CommandResult> Run(const EnvironmentCommand& command, const OutputSink& sink,
                                    Deadline deadline, std::stop_token stop);

  // As Environment's; PutFile renames over what was there.
  absl::Status PutFile(absl::string_view path, int mode, absl::string_view content, Deadline deadline,
                       std::stop_token stop);
  absl::Status GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink, Deadline deadline,
                       std::stop_token stop);

  // For machines only, after a start from a snapshot; a container refuses both.
  absl::Status SyncClock(absl::Time now, Deadline deadline, std::stop_token stop);
  absl::Status Reseed(absl::string_view entropy, Deadline deadline, std::stop_token stop);

  absl::Status Mount(const GuestMount& mount, Deadline deadline, std::stop_token stop);
  // Everything written is on the disks when it returns.
  absl::Status Sync(Deadline deadline, std::stop_token stop);
  // Returns once the guest has agreed to power off.
  absl::Status Shutdown(Deadline deadline, std::stop_token stop);

  // From any thread, any number of times: the call that waits returns Unavailable.
  void Close();

 private:
  explicit GuestChannel(std::unique_ptr<GuestWire> wire);

  const std::unique_ptr<GuestWire> wire_;
  uint32_t last_request_ = 0;
};

}  // namespace rootwright
