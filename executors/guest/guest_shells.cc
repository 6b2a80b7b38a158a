#include "executors/guest/guest_shells.h"

#include <algorithm>
#include <csignal>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/wait.h"
#include "executors/guest/guest_run.h"
#include "executors/guest/guest_wire.h"
#include "executors/guest/protocol.h"

namespace rootwright {
namespace {

// Of output, on its way or not read.
constexpr uint32_t kWindow = 256 * 1024;
constexpr absl::Duration kHangUpGrace = absl::Seconds(3);
// Apart from the requests of the build, for a machine has one control group for each.
constexpr uint32_t kFirstRequest = 0x80000001;

}  // namespace

// One shell, from Open until the guest says that nothing of it is left. Guarded by Shared::mutex.
struct GuestShells::Talk {
  uint32_t request = 0;
  std::deque<Shell::Said> said;
  // Output bytes that the guest may send; that it may send once it is told.
  uint32_t credit = kWindow;
  uint32_t uncredited = 0;
  uint32_t input_room = guest::kShellInputWindow;
  bool input_ended = false;
  bool hung_up = false;
  Deadline kill_at = Deadline::Never();
  // Set at its end: the result is the last of `said` then, or this is why there is none.
  bool ended = false;
  absl::Status error;
};

// What handles and the pumping thread share.
struct GuestShells::Shared {
  using Message = std::function<absl::Status(GuestWire&)>;

  // Queues a message, and has the pump look.
  template <typename Of>
  void Send(Of message) RW_REQUIRES(mutex) {
    queue.push_back([message = std::move(message)](GuestWire& wire) { return wire.Send(message); });
    wake.request_stop();
  }
  // Output was dealt with. Told in lumps: a guest that makes us speak has to say far more itself.
  void Acknowledge(Talk& talk, size_t size) RW_REQUIRES(mutex) {
    talk.uncredited += static_cast<uint32_t>(size);
    if (talk.uncredited < kWindow / 4 || talk.ended) return;
    talk.credit += talk.uncredited;
    Send(guest::Credit{talk.request, std::exchange(talk.uncredited, 0)});
  }
  void End(Talk& talk, absl::Status error) RW_REQUIRES(mutex) {
    talk.ended = true;
    talk.error = std::move(error);
  }
  void EndAll(const absl::Status& why) {
    {
      MutexLock lock(mutex);
      if (end.ok()) end = why;
      for (auto& [request, talk] : talks) End(*talk, end);
      talks.clear();
    }
    changed.notify_all();
  }
  // What is due now; when the next is.
  Deadline LookAtTime() RW_REQUIRES(mutex);
  std::shared_ptr<Talk> Find(uint32_t request) RW_REQUIRES(mutex);
  // What the guest says; false when no guest may.
  bool Take(const guest::Output& output) RW_REQUIRES(mutex);
  bool Take(const guest::Credit& credit) RW_REQUIRES(mutex);
  bool Take(const guest::Exited& exited) RW_REQUIRES(mutex);
  bool Take(const guest::Error& error) RW_REQUIRES(mutex);
  template <typename Of>
  bool Decoded(const guest::Frame& frame) RW_REQUIRES(mutex) {
    Of message;
    return guest::Decode(frame.payload, message) && Take(message);
  }
  absl::Status TakeFrame(GuestWire& wire, const guest::Frame& frame);
  void Pump(GuestWire& wire);

  Mutex mutex;
  CondVar changed;
  std::map<uint32_t, std::shared_ptr<Talk>> talks RW_GUARDED_BY(mutex);
  uint32_t next_request RW_GUARDED_BY(mutex) = kFirstRequest;
  std::vector<Message> queue RW_GUARDED_BY(mutex);
  // Ends the pump's wait; a new one for each.
  std::stop_source wake RW_GUARDED_BY(mutex);
  // Why there is no connection any more.
  absl::Status end RW_GUARDED_BY(mutex);
};

class GuestShells::Handle : public Shell {
 public:
  Handle(std::shared_ptr<Shared> shared, std::shared_ptr<Talk> talk)
      : shared_(std::move(shared)), talk_(std::move(talk)) {}
  ~Handle() override { HangUp(); }

  absl::StatusOr<Said> Read() override {
    Shared& shared = *shared_;
    Talk& talk = *talk_;
    MutexLock lock(shared.mutex);
    shared.changed.wait(shared.mutex, [&] { return !talk.said.empty() || talk.ended || talk.hung_up; });
    if (talk.hung_up) return absl::CancelledError("shell: hung up");
    if (talk.said.empty()) return talk.error;
    Said said = std::move(talk.said.front());
    talk.said.pop_front();
    shared.Acknowledge(talk, said.data.size());
    return said;
  }

  absl::Status Write(absl::string_view data) override {
    Shared& shared = *shared_;
    Talk& talk = *talk_;
    while (!data.empty()) {
      MutexLock lock(shared.mutex);
      shared.changed.wait(shared.mutex, [&] { return talk.input_room > 0 || talk.ended || talk.hung_up; });
      if (talk.hung_up) return absl::CancelledError("shell: hung up");
      if (talk.ended || talk.input_ended) return absl::OkStatus();
      const size_t size = std::min({data.size(), size_t{talk.input_room}, guest::kMaxChunk});
      talk.input_room -= static_cast<uint32_t>(size);
      shared.queue.push_back(
          [request = talk.request, piece = std::string(data.substr(0, size))](GuestWire& wire) {
            return wire.Send(guest::Input{request, piece});
          });
      shared.wake.request_stop();
      data.remove_prefix(size);
    }
    return absl::OkStatus();
  }

  void EndInput() override {
    MutexLock lock(shared_->mutex);
    if (talk_->ended || std::exchange(talk_->input_ended, true)) return;
    shared_->Send(guest::Input{talk_->request, {}});
  }

  void Resize(TerminalSize size) override {
    MutexLock lock(shared_->mutex);
    if (talk_->ended) return;
    shared_->Send(
        guest::Resize{talk_->request, static_cast<uint16_t>(size.rows), static_cast<uint16_t>(size.columns)});
  }

  void HangUp() override {
    {
      MutexLock lock(shared_->mutex);
      if (std::exchange(talk_->hung_up, true)) return;
      for (const Said& unread : talk_->said) shared_->Acknowledge(*talk_, unread.data.size());
      talk_->said.clear();
      if (!talk_->ended) {
        talk_->kill_at = Deadline::In(kHangUpGrace);
        shared_->Send(guest::Signal{talk_->request, SIGHUP});
      }
    }
    shared_->changed.notify_all();
  }

 private:
  const std::shared_ptr<Shared> shared_;
  const std::shared_ptr<Talk> talk_;
};

Deadline GuestShells::Shared::LookAtTime() {
  Deadline next = Deadline::Never();
  for (auto& [request, talk] : talks) {
    if (talk->kill_at.Passed()) {
      Send(guest::Signal{request, SIGKILL});
      talk->kill_at = Deadline::Never();
    }
    next = Earlier(next, talk->kill_at);
  }
  return next;
}

std::shared_ptr<GuestShells::Talk> GuestShells::Shared::Find(uint32_t request) {
  const auto found = talks.find(request);
  return found == talks.end() ? nullptr : found->second;
}

bool GuestShells::Shared::Take(const guest::Output& output) {
  const auto talk = Find(output.request);
  const auto size = static_cast<uint32_t>(output.data.size());
  if (talk == nullptr || size > talk->credit || size > guest::kMaxChunk || output.stream < 1 ||
      output.stream > 2) {
    return false;
  }
  talk->credit -= size;
  if (talk->hung_up) {
    // Nobody reads it: it is not held back either.
    Acknowledge(*talk, size);
  } else if (size > 0) {
    talk->said.push_back({output.stream == 1 ? OutputStream::kStdout : OutputStream::kStderr,
                          std::string(output.data), std::nullopt});
  }
  return true;
}

bool GuestShells::Shared::Take(const guest::Credit& credit) {
  const auto talk = Find(credit.request);
  if (talk == nullptr || credit.bytes > guest::kShellInputWindow - talk->input_room) return false;
  talk->input_room += credit.bytes;
  return true;
}

bool GuestShells::Shared::Take(const guest::Exited& exited) {
  const auto talk = Find(exited.request);
  const std::optional<CommandResult> result = ResultOf(exited);
  if (talk == nullptr || !result) return false;
  if (!talk->hung_up) talk->said.push_back({OutputStream::kStdout, "", result});
  End(*talk, absl::FailedPreconditionError("shell: it has ended"));
  talks.erase(exited.request);
  return true;
}

bool GuestShells::Shared::Take(const guest::Error& error) {
  const auto talk = Find(error.request);
  if (talk == nullptr) return false;
  End(*talk, GuestError(error));
  talks.erase(error.request);
  return true;
}

absl::Status GuestShells::Shared::TakeFrame(GuestWire& wire, const guest::Frame& frame) {
  bool sound = false;
  {
    MutexLock lock(mutex);
    switch (static_cast<guest::MessageType>(frame.type)) {
      case guest::MessageType::kHello:
        // A second answer to a greeting that was repeated.
        sound = true;
        break;
      case guest::MessageType::kOutput:
        sound = Decoded<guest::Output>(frame);
        break;
      case guest::MessageType::kCredit:
        sound = Decoded<guest::Credit>(frame);
        break;
      case guest::MessageType::kExited:
        sound = Decoded<guest::Exited>(frame);
        break;
      case guest::MessageType::kError:
        sound = Decoded<guest::Error>(frame);
        break;
      default:
        break;
    }
  }
  changed.notify_all();
  if (sound) return absl::OkStatus();
  return wire.Violation(absl::StrCat("a message of type ", frame.type, " that no shell can have"));
}

void GuestShells::Shared::Pump(GuestWire& wire) {
  for (;;) {
    const std::stop_source woken;
    std::vector<Message> messages;
    Deadline next = Deadline::Never();
    {
      MutexLock lock(mutex);
      next = LookAtTime();
      wake = woken;
      messages.swap(queue);
    }
    absl::Status status;
    for (const Message& message : messages) status.Update(message(wire));
    if (status.ok()) {
      const StopFd stop(woken.get_token());
      const auto frame = wire.Next(next, stop);
      if (absl::IsCancelled(frame.status()) || absl::IsDeadlineExceeded(frame.status())) continue;
      status = frame.ok() ? TakeFrame(wire, **frame) : frame.status();
    }
    if (!status.ok()) return EndAll(absl::UnavailableError(status.message()));
  }
}

GuestShells::GuestShells(std::unique_ptr<GuestWire> wire)
    : shared_(std::make_shared<Shared>()), wire_(std::move(wire)) {
  pump_ = std::thread([this] { shared_->Pump(*wire_); });
}

GuestShells::~GuestShells() {
  Close("shells: closed");
  pump_.join();
}

absl::StatusOr<std::unique_ptr<GuestShells>> GuestShells::Start(UniqueFd socket, Deadline deadline,
                                                                std::stop_token stop) {
  auto wire = std::make_unique<GuestWire>(std::move(socket));
  const StopFd stop_fd(std::move(stop));
  RW_RETURN_IF_ERROR(wire->Greet(deadline, stop_fd));
  return std::unique_ptr<GuestShells>(new GuestShells(std::move(wire)));
}

void GuestShells::Close(const std::string& why) {
  shared_->EndAll(absl::UnavailableError(why));
  wire_->Close();
  MutexLock lock(shared_->mutex);
  shared_->wake.request_stop();
}

absl::StatusOr<std::unique_ptr<Shell>> GuestShells::Open(const ShellCommand& command,
                                                         const std::string& root) {
  if (command.argv.empty()) return absl::InvalidArgumentError("shell: no program is named");
  std::vector<std::string> variables;
  for (const auto& [name, value] : command.variables) variables.push_back(absl::StrCat(name, "=", value));
  auto talk = std::make_shared<Talk>();
  MutexLock lock(shared_->mutex);
  RW_RETURN_IF_ERROR(shared_->end);
  talk->request = shared_->next_request++;
  guest::Shell shell;
  shell.request = talk->request;
  shell.window = kWindow;
  if (command.terminal) {
    shell.terminal = 1;
    shell.rows = static_cast<uint16_t>(command.terminal->rows);
    shell.columns = static_cast<uint16_t>(command.terminal->columns);
  }
  shell.root = root;
  shell.working_directory = command.working_directory;
  shell.argv.assign(command.argv.begin(), command.argv.end());
  shell.variables.assign(variables.begin(), variables.end());
  // Sent from here as it refers to what is of this call: as one frame, so that the pump need not know it.
  std::string frame;
  if (!guest::AppendMessage(frame, shell))
    return absl::InvalidArgumentError("shell: arguments and variables take more than 256 KiB");
  shared_->queue.push_back([frame = std::move(frame)](GuestWire& wire) { return wire.SendFrame(frame); });
  shared_->wake.request_stop();
  shared_->talks[talk->request] = talk;
  return std::make_unique<Handle>(shared_, std::move(talk));
}

}  // namespace rootwright
