#include "executors/guest/guest_channel.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/wait.h"
#include "executors/guest/guest_run.h"
#include "executors/guest/guest_wire.h"
#include "executors/guest/protocol.h"

namespace rootwright {
namespace {

constexpr absl::Duration kConnectInterval = absl::Milliseconds(10);
// Unsent bytes of a file below which more is queued.
constexpr size_t kRefill = 256 * 1024;

absl::Status DescribeFailure(absl::Status status, absl::string_view what, absl::string_view object) {
  return Annotate(status, absl::StrCat(what, ": ", object));
}

// Asks and waits until the guest says Done to this request.
template <typename Message>
absl::Status Ask(GuestWire& wire, const Message& message, Deadline deadline, std::stop_token stop) {
  const StopFd stop_fd(std::move(stop));
  RW_RETURN_IF_ERROR(wire.Send(message));
  for (;;) {
    RW_ASSIGN_OR_RETURN(const auto frame, wire.Next(deadline, stop_fd));
    RW_ASSIGN_OR_RETURN(const GuestReply reply, ReadReply(wire, *frame, message.request));
    if (reply.kind == GuestReply::Kind::kDone) return absl::OkStatus();
    if (reply.kind == GuestReply::Kind::kError) return reply.error;
    if (reply.kind != GuestReply::Kind::kStale) return wire.Violation("an answer of the wrong kind");
  }
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectGuestSocket(const std::filesystem::path& at) {
  const std::string path = at.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat(
        "connect to the guest: ", path, ": the path is longer than ", sizeof address.sun_path - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return ErrnoStatus(errno, "make a socket for the guest", path);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN) {
    return absl::UnavailableError(absl::StrCat("connect to the guest: ", path, ": ", std::strerror(errno)));
  }
  return ErrnoStatus(errno, "connect to the guest", path);
}

GuestChannel::GuestChannel(std::unique_ptr<GuestWire> wire) : wire_(std::move(wire)) {}
GuestChannel::~GuestChannel() = default;

absl::StatusOr<std::unique_ptr<GuestChannel>> GuestChannel::Adopt(UniqueFd socket, Deadline deadline,
                                                                  std::stop_token stop) {
  const StopFd stop_fd(std::move(stop));
  auto wire = std::make_unique<GuestWire>(std::move(socket));
  RW_RETURN_IF_ERROR(wire->Greet(deadline, stop_fd));
  return std::unique_ptr<GuestChannel>(new GuestChannel(std::move(wire)));
}

absl::StatusOr<std::unique_ptr<GuestChannel>> GuestChannel::Connect(const std::filesystem::path& socket,
                                                                    Deadline deadline, std::stop_token stop) {
  for (;;) {
    absl::StatusOr<UniqueFd> fd = ConnectGuestSocket(socket);
    absl::Status status = fd.status();
    if (status.ok()) {
      auto channel = Adopt(*std::move(fd), deadline, stop);
      if (channel.ok()) return channel;
      status = DescribeFailure(channel.status(), "reach the guest", socket.string());
    }
    // Nobody there yet, or somebody who hung up: a machine that starts does both.
    if (!absl::IsUnavailable(status)) return status;
    if (deadline.Passed()) return absl::DeadlineExceededError(status.message());
    RW_RETURN_IF_ERROR(SleepFor(std::min(kConnectInterval, deadline.Left()), stop));
  }
}

void GuestChannel::Close() { wire_->Close(); }

absl::Status GuestChannel::Ping(Deadline deadline, std::stop_token stop) {
  const StopFd stop_fd(std::move(stop));
  const uint32_t token = ++last_request_;
  RW_RETURN_IF_ERROR(wire_->Send(guest::Ping{token}));
  for (;;) {
    RW_ASSIGN_OR_RETURN(const auto frame, wire_->Next(deadline, stop_fd));
    RW_ASSIGN_OR_RETURN(const GuestReply reply, ReadReply(*wire_, *frame, token));
    if (reply.kind == GuestReply::Kind::kPong) return absl::OkStatus();
    if (reply.kind != GuestReply::Kind::kStale) return wire_->Violation("an answer of the wrong kind");
  }
}

absl::StatusOr<CommandResult> GuestChannel::Run(const EnvironmentCommand& command, const OutputSink& sink,
                                                Deadline deadline, std::stop_token stop) {
  GuestRun run(*wire_, ++last_request_, sink);
  absl::StatusOr<CommandResult> result = run.Execute(command, deadline, std::move(stop));
  if (result.ok()) return result;
  return DescribeFailure(result.status(), "run", command.argv.empty() ? "" : command.argv[0]);
}

absl::Status GuestChannel::PutFile(absl::string_view path, int mode, absl::string_view content,
                                   Deadline deadline, std::stop_token stop) {
  const StopFd stop_fd(std::move(stop));
  guest::PutFile piece;
  piece.request = ++last_request_;
  piece.mode = static_cast<uint32_t>(mode);
  piece.size = content.size();
  piece.path = std::string_view(path.data(), path.size());
  bool all_queued = false;
  for (;;) {
    while (!all_queued && wire_->unsent() < kRefill) {
      const size_t size = std::min(guest::kMaxChunk, content.size() - piece.offset);
      piece.data = std::string_view(content.data() + piece.offset, size);
      RW_RETURN_IF_ERROR(wire_->Send(piece));
      piece.offset += size;
      all_queued = piece.offset == content.size();
    }
    RW_ASSIGN_OR_RETURN(const auto frame, wire_->Next(deadline, stop_fd, all_queued ? 0 : kRefill));
    if (!frame) continue;
    RW_ASSIGN_OR_RETURN(const GuestReply reply, ReadReply(*wire_, *frame, piece.request));
    if (reply.kind == GuestReply::Kind::kDone && all_queued) return absl::OkStatus();
    if (reply.kind == GuestReply::Kind::kError) return reply.error;
    if (reply.kind != GuestReply::Kind::kStale) return wire_->Violation("an answer of the wrong kind");
  }
}

absl::Status GuestChannel::GetFile(absl::string_view path, int64_t max_bytes, const FileSink& sink,
                                   Deadline deadline, std::stop_token stop) {
  const StopFd stop_fd(std::move(stop));
  uint64_t got = 0;
  for (;;) {
    guest::GetFile piece;
    piece.request = ++last_request_;
    piece.bytes = guest::kMaxChunk;
    piece.offset = got;
    piece.path = std::string_view(path.data(), path.size());
    RW_RETURN_IF_ERROR(wire_->Send(piece));
    GuestReply reply;
    do {
      RW_ASSIGN_OR_RETURN(const auto frame, wire_->Next(deadline, stop_fd));
      RW_ASSIGN_OR_RETURN(reply, ReadReply(*wire_, *frame, piece.request));
    } while (reply.kind == GuestReply::Kind::kStale);
    if (reply.kind == GuestReply::Kind::kError) return reply.error;
    if (reply.kind != GuestReply::Kind::kFileData || reply.data.size() > piece.bytes) {
      return wire_->Violation("an answer of the wrong kind");
    }
    got += reply.data.size();
    if (got > static_cast<uint64_t>(std::max<int64_t>(max_bytes, 0))) {
      return absl::ResourceExhaustedError(
          absl::StrCat("read a file: ", path, ": larger than ", max_bytes, " bytes"));
    }
    RW_RETURN_IF_ERROR(sink(absl::string_view(reply.data.data(), reply.data.size())));
    if (reply.data.size() < piece.bytes) return absl::OkStatus();
  }
}

absl::Status GuestChannel::SyncClock(absl::Time now, Deadline deadline, std::stop_token stop) {
  return Ask(*wire_, guest::SyncClock{++last_request_, absl::ToUnixNanos(now)}, deadline, std::move(stop));
}

absl::Status GuestChannel::Reseed(absl::string_view entropy, Deadline deadline, std::stop_token stop) {
  return Ask(*wire_, guest::Reseed{++last_request_, std::string_view(entropy.data(), entropy.size())},
             deadline, std::move(stop));
}

absl::Status GuestChannel::Mount(const GuestMount& mount, Deadline deadline, std::stop_token stop) {
  const guest::Mount message{++last_request_, mount.flags, mount.source,
                             mount.target,    mount.type,  mount.options};
  return Ask(*wire_, message, deadline, std::move(stop));
}

absl::Status GuestChannel::Sync(Deadline deadline, std::stop_token stop) {
  return Ask(*wire_, guest::Sync{++last_request_}, deadline, std::move(stop));
}

absl::Status GuestChannel::Shutdown(Deadline deadline, std::stop_token stop) {
  return Ask(*wire_, guest::Shutdown{++last_request_}, deadline, std::move(stop));
}

}  // namespace rootwright
