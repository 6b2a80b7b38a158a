#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "executors/environment.h"
#include "executors/guest/guest_wire.h"

namespace rootwright {

// A frame from the guest, read and judged for one request. What is for an earlier request
// comes late and is passed over.
struct GuestReply {
  enum class Kind { kStale, kPong, kOutput, kExited, kFileData, kDone, kError };
  Kind kind = Kind::kStale;
  // kOutput and kFileData; good until the wire's next frame.
  absl::string_view data;
  OutputStream stream = OutputStream::kStdout;
  // kExited.
  CommandResult result;
  // kError: the guest's words, made printable, with the code of its errno.
  absl::Status error;
};

// The guest's words, made printable, with the code of its errno.
absl::Status GuestError(const guest::Error& error);
// Absent when it is no way in which a command can end.
std::optional<CommandResult> ResultOf(const guest::Exited& exited);

// DataLoss, and the wire is ended, when it is not a message that a guest may send.
absl::StatusOr<GuestReply> ReadReply(GuestWire& wire, const guest::Frame& frame, uint32_t request);

// One command on the wire, from Exec to Exited.
class GuestRun {
 public:
  GuestRun(GuestWire& wire, uint32_t request, const OutputSink& sink)
      : wire_(wire), request_(request), sink_(sink) {}

  absl::StatusOr<CommandResult> Execute(const EnvironmentCommand& command, Deadline deadline,
                                        std::stop_token stop);

 private:
  absl::Status Start(const EnvironmentCommand& command);
  // Forwards output until the command is over.
  absl::StatusOr<CommandResult> Follow(Deadline deadline, std::stop_token stop);
  absl::Status Forward(const GuestReply& reply);
  // TERM, then KILL; returns when nothing of it is left.
  absl::Status End();

  GuestWire& wire_;
  const uint32_t request_;
  const OutputSink& sink_;
  // Bytes of output taken that the guest has no credit for yet.
  uint32_t uncredited_ = 0;
};

}  // namespace rootwright
