#include "executors/guest/guest_run.h"

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace rootwright {
namespace {

// Enough for a busy command while a frame is on its way; little enough to hold it back soon.
constexpr uint32_t kWindow = 1 << 20;
constexpr absl::Duration kTermGrace = absl::Seconds(3);
// An emulated machine on a busy host may take long even for this.
constexpr absl::Duration kKillGrace = absl::Seconds(30);
// A guest that says nothing is asked whether it is there; twelve times in vain mean no.
constexpr absl::Duration kAskInterval = absl::Seconds(10);
constexpr int kMostUnanswered = 12;

// Words of a stranger, for a terminal.
std::string Printable(std::string_view text) {
  std::string clean(text.substr(0, 4096));
  for (char& c : clean) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
  return clean;
}

// Decodes into `message`; false when it is malformed. `kind` becomes stale when it is for an
// earlier request.
template <typename Message>
bool Read(const guest::Frame& frame, uint32_t request, GuestReply::Kind kind, GuestReply& reply,
          Message& message) {
  if (!guest::Decode(frame.payload, message) || message.request > request) return false;
  reply.kind = message.request == request ? kind : GuestReply::Kind::kStale;
  return true;
}

absl::string_view View(std::string_view text) { return absl::string_view(text.data(), text.size()); }

bool ReadInto(const guest::Frame& frame, uint32_t request, GuestReply& reply) {
  using Kind = GuestReply::Kind;
  switch (static_cast<guest::MessageType>(frame.type)) {
    case guest::MessageType::kHello: {
      guest::Hello hello;  // a second answer to a greeting that was repeated
      return guest::Decode(frame.payload, hello);
    }
    case guest::MessageType::kPong: {
      guest::Pong pong;
      if (!guest::Decode(frame.payload, pong)) return false;
      // Any other is the late answer to a question whether the guest is there.
      if (pong.token == request) reply.kind = Kind::kPong;
      return true;
    }
    case guest::MessageType::kOutput: {
      guest::Output output;
      if (!Read(frame, request, Kind::kOutput, reply, output)) return false;
      reply.data = View(output.data);
      reply.stream = output.stream == 1 ? OutputStream::kStdout : OutputStream::kStderr;
      return output.stream == 1 || output.stream == 2;
    }
    case guest::MessageType::kExited: {
      guest::Exited exited;
      if (!Read(frame, request, Kind::kExited, reply, exited)) return false;
      const std::optional<CommandResult> result = ResultOf(exited);
      if (result) reply.result = *result;
      return result.has_value();
    }
    case guest::MessageType::kFileData: {
      guest::FileData data;
      if (!Read(frame, request, Kind::kFileData, reply, data)) return false;
      reply.data = View(data.data);
      return true;
    }
    case guest::MessageType::kDone: {
      guest::Done done;
      return Read(frame, request, Kind::kDone, reply, done);
    }
    case guest::MessageType::kError: {
      guest::Error error;
      if (!Read(frame, request, Kind::kError, reply, error)) return false;
      reply.error = GuestError(error);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

absl::Status GuestError(const guest::Error& error) {
  absl::StatusCode code =
      error.code > 0 ? ErrnoStatus(error.code, "", "").code() : absl::StatusCode::kInternal;
  // These four say something about call and channel, which is not the guest's to say.
  if (code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded ||
      code == absl::StatusCode::kCancelled || code == absl::StatusCode::kDataLoss) {
    code = absl::StatusCode::kInternal;
  }
  return absl::Status(code, Printable(error.text));
}

std::optional<CommandResult> ResultOf(const guest::Exited& exited) {
  if (exited.exit_code < 0 || exited.exit_code > 255 || exited.signal < 0 || exited.signal > 127)
    return std::nullopt;
  CommandResult result;
  result.exit_code = exited.exit_code;
  result.signal = exited.signal;
  result.wall = absl::Nanoseconds(std::max<int64_t>(exited.wall_ns, 0));
  result.cpu = absl::Nanoseconds(std::max<int64_t>(exited.cpu_ns, 0));
  result.peak_memory_bytes = std::max<int64_t>(exited.max_rss_bytes, 0);
  return result;
}

absl::StatusOr<GuestReply> ReadReply(GuestWire& wire, const guest::Frame& frame, uint32_t request) {
  GuestReply reply;
  if (!ReadInto(frame, request, reply)) {
    return wire.Violation(absl::StrCat("a malformed message of type ", frame.type));
  }
  return reply;
}

absl::Status GuestRun::Start(const EnvironmentCommand& command) {
  if (command.argv.empty()) return absl::InvalidArgumentError("no program is named");
  if (command.input.size() > guest::kMaxInput) return absl::InvalidArgumentError("more than 1 MiB of input");
  guest::Exec exec;
  exec.request = request_;
  exec.window = kWindow;
  exec.input_bytes = static_cast<uint32_t>(command.input.size());
  exec.root = command.root;
  exec.working_directory = command.working_directory;
  exec.argv.assign(command.argv.begin(), command.argv.end());
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.variables) variables.push_back(absl::StrCat(name, "=", value));
  exec.variables.assign(variables.begin(), variables.end());
  if (const absl::Status sent = wire_.Send(exec); !sent.ok()) {
    if (!absl::IsInvalidArgument(sent)) return sent;
    return absl::InvalidArgumentError("arguments and variables take more than 256 KiB: put them into a file");
  }
  for (size_t at = 0; at < command.input.size(); at += guest::kMaxChunk) {
    RW_RETURN_IF_ERROR(
        wire_.Send(guest::Input{request_, std::string_view(command.input).substr(at, guest::kMaxChunk)}));
  }
  return absl::OkStatus();
}

absl::Status GuestRun::Forward(const GuestReply& reply) {
  if (reply.data.size() > guest::kMaxChunk) return wire_.Violation("an overlong piece of output");
  if (sink_) sink_(reply.stream, reply.data);
  uncredited_ += static_cast<uint32_t>(reply.data.size());
  if (uncredited_ < kWindow / 4) return absl::OkStatus();
  return wire_.Send(guest::Credit{request_, std::exchange(uncredited_, 0)});
}

absl::StatusOr<CommandResult> GuestRun::Follow(Deadline deadline, std::stop_token stop) {
  const StopFd stop_fd(std::move(stop));
  int unanswered = 0;
  for (;;) {
    const auto frame = wire_.Next(Earlier(deadline, Deadline::In(kAskInterval)), stop_fd);
    if (absl::IsDeadlineExceeded(frame.status()) && !deadline.Passed()) {
      if (++unanswered > kMostUnanswered) {
        return wire_.Fail(
            absl::UnavailableError("guest channel: the guest has not answered for two minutes"));
      }
      RW_RETURN_IF_ERROR(wire_.Send(guest::Ping{0}));
      continue;
    }
    RW_RETURN_IF_ERROR(frame.status());
    unanswered = 0;
    RW_ASSIGN_OR_RETURN(const GuestReply reply, ReadReply(wire_, **frame, request_));
    switch (reply.kind) {
      case GuestReply::Kind::kOutput:
        RW_RETURN_IF_ERROR(Forward(reply));
        break;
      case GuestReply::Kind::kExited:
        return reply.result;
      case GuestReply::Kind::kError:
        return reply.error;
      case GuestReply::Kind::kStale:
        break;
      default:
        return wire_.Violation("an answer of the wrong kind");
    }
  }
}

absl::Status GuestRun::End() {
  for (const auto& [signal, grace] : {std::pair{SIGTERM, kTermGrace}, std::pair{SIGKILL, kKillGrace}}) {
    RW_RETURN_IF_ERROR(wire_.Send(guest::Signal{request_, signal}));
    const absl::StatusOr<CommandResult> ended = Follow(Deadline::In(grace), {});
    if (!absl::IsDeadlineExceeded(ended.status())) return ended.status();
  }
  return wire_.Fail(absl::UnavailableError("guest channel: a command could not be killed"));
}

absl::StatusOr<CommandResult> GuestRun::Execute(const EnvironmentCommand& command, Deadline deadline,
                                                std::stop_token stop) {
  RW_RETURN_IF_ERROR(Start(command));
  absl::StatusOr<CommandResult> result = Follow(deadline, std::move(stop));
  if (!absl::IsCancelled(result.status()) && !absl::IsDeadlineExceeded(result.status())) return result;
  RW_RETURN_IF_ERROR(End());
  return absl::IsCancelled(result.status()) ? absl::CancelledError("stopped")
                                            : absl::DeadlineExceededError("did not end in time");
}

}  // namespace rootwright
