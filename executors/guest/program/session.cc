#include "executors/guest/program/session.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "executors/guest/program/console.h"

namespace rootwright::guest {
namespace {

// Output waits while more than this is unsent: a reply then has little before it.
constexpr size_t kOutputRoom = 128 * 1024;
// Nothing is read from the host while more than this is unsent.
constexpr size_t kMostUnsent = 512 * 1024;
constexpr size_t kMostCommands = 16;
// Half a frame that does not grow for so long is what a lost connection left.
constexpr int64_t kStallNanos = 2'000'000'000;

Problem SetClock(int64_t wall_ns) {
  if (wall_ns < 0) return Problem::Of(EINVAL, "set the clock", std::to_string(wall_ns));
  const timespec now = {static_cast<time_t>(wall_ns / 1'000'000'000),
                        static_cast<long>(wall_ns % 1'000'000'000)};
  if (clock_settime(CLOCK_REALTIME, &now) != 0) return Problem::Of(errno, "set the clock", "CLOCK_REALTIME");
  return {};
}

Problem AddEntropy(std::string_view entropy) {
  constexpr size_t kMost = 4096;
  struct {
    int bits;
    int size;
    char data[kMost];
  } pool{};
  if (entropy.size() > kMost) return Problem::Of(EINVAL, "add entropy", "more than 4096 bytes");
  pool.bits = static_cast<int>(entropy.size() * 8);
  pool.size = static_cast<int>(entropy.size());
  std::memcpy(pool.data, entropy.data(), entropy.size());
  const int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return Problem::Of(errno, "add entropy", "/dev/urandom");
  Problem problem;
  if (ioctl(fd, RNDADDENTROPY, &pool) != 0) problem = Problem::Of(errno, "add entropy", "/dev/urandom");
  // Old kernels have no such call; they reseed on their own.
  if (!problem) ioctl(fd, RNDRESEEDCRNG);
  close(fd);
  return problem;
}

}  // namespace

Session::Session(const Powers& powers, ProcessHome& home)
    : powers_(powers), home_(home), parser_(static_cast<uint16_t>(Hello::kType), Hello::kSize) {}

bool Session::full() const { return out_.size() - sent_ > kMostUnsent; }
bool Session::room() const { return out_.size() - sent_ < kOutputRoom; }

void Session::Sent(size_t size) {
  sent_ += size;
  if (sent_ == out_.size()) {
    out_.clear();
    sent_ = 0;
  } else if (sent_ > kMostUnsent) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
}

// Everything that an earlier conversation left, but for the parser. Half a frame may have
// been sent: the new host hunts for its greeting.
void Session::Abandon() {
  put_.Drop();
  for (auto& command : commands_) {
    if (!command->Abandon()) dying_.push_back(std::move(command));
  }
  commands_.clear();
  out_.clear();
  sent_ = 0;
}

void Session::Reset() {
  Abandon();
  stalled_since_ = 0;
  parser_.Hunt();
}

bool Session::Take(size_t size) {
  parser_.Commit(size);
  stalled_since_ = 0;
  bool clean = true;
  for (;;) {
    Frame frame;
    const FrameParser::Result result = parser_.Next(frame);
    if (result == FrameParser::Result::kNeedMore) break;
    if (result == FrameParser::Result::kFrame && Handle(frame)) continue;
    // A new greeting may be behind it already.
    clean = false;
    Abandon();
    parser_.HuntOn();
  }
  if (parser_.in_frame()) stalled_since_ = Now();
  return clean;
}

template <typename Message>
bool Session::Decoded(const Frame& frame) {
  Message message;
  if (!Decode(frame.payload, message)) return false;
  On(message);
  return !offended_;
}

bool Session::Handle(const Frame& frame) {
  offended_ = false;
  switch (static_cast<MessageType>(frame.type)) {
    case MessageType::kHello:
      return Decoded<Hello>(frame);
    case MessageType::kPing:
      return Decoded<Ping>(frame);
    case MessageType::kExec:
      return Decoded<Exec>(frame);
    case MessageType::kShell:
      return Decoded<Shell>(frame);
    case MessageType::kResize:
      return Decoded<Resize>(frame);
    case MessageType::kInput:
      return Decoded<Input>(frame);
    case MessageType::kCredit:
      return Decoded<Credit>(frame);
    case MessageType::kSignal:
      return Decoded<Signal>(frame);
    case MessageType::kPutFile:
      return Decoded<PutFile>(frame);
    case MessageType::kGetFile:
      return Decoded<GetFile>(frame);
    case MessageType::kSyncClock:
      return Decoded<SyncClock>(frame);
    case MessageType::kReseed:
      return Decoded<Reseed>(frame);
    case MessageType::kMount:
      return Decoded<Mount>(frame);
    case MessageType::kSync:
      return Decoded<Sync>(frame);
    case MessageType::kShutdown:
      return Decoded<Shutdown>(frame);
    default:
      return false;
  }
}

void Session::Answer(uint32_t request, const Problem& problem) {
  if (!problem) {
    AppendMessage(out_, Done{request});
  } else {
    AppendMessage(out_, Error{request, problem.code, std::string_view(problem.text).substr(0, 4096)});
  }
}

Command* Session::Find(uint32_t request) {
  for (const auto& command : commands_) {
    if (command->request() == request) return command.get();
  }
  return nullptr;
}

void Session::On(const Hello& hello) {
  // The parser stands behind this frame already and must go on from there.
  Abandon();
  Hello answer;
  answer.nonce = hello.nonce;
  AppendMessage(out_, answer);
}

void Session::On(const Ping& ping) { AppendMessage(out_, Pong{ping.token}); }

template <typename Message>
void Session::Start(const Message& message) {
  if (commands_.size() >= kMostCommands)
    return Answer(message.request, {EAGAIN, "start a command: 16 are running"});
  if (Find(message.request) != nullptr) {
    offended_ = true;
    return;
  }
  Problem problem;
  std::unique_ptr<Command> command = Command::Start(message, home_, problem);
  if (command == nullptr) return Answer(message.request, problem);
  commands_.push_back(std::move(command));
}

void Session::On(const Exec& exec) { Start(exec); }
void Session::On(const Shell& shell) { Start(shell); }

void Session::On(const Resize& resize) {
  if (Command* const command = Find(resize.request)) command->Resize(resize.rows, resize.columns);
}

// Of these three, what is for a command that has just ended is late, not wrong.
void Session::On(const Input& input) {
  Command* const command = Find(input.request);
  if (command != nullptr && !command->AddInput(input.data)) offended_ = true;
}

void Session::On(const Credit& credit) {
  Command* const command = Find(credit.request);
  if (command != nullptr && !command->AddCredit(credit.bytes)) offended_ = true;
}

void Session::On(const Signal& signal) {
  Command* const command = Find(signal.request);
  if (command != nullptr) command->Signal(signal.number);
}

void Session::On(const PutFile& piece) {
  bool finished = false;
  const Problem problem = put_.Take(piece, finished);
  if (finished || problem) Answer(piece.request, problem);
}

void Session::On(const GetFile& what) {
  std::string piece;
  if (Problem problem = ReadPiece(what, piece)) return Answer(what.request, problem);
  AppendMessage(out_, FileData{what.request, piece});
}

void Session::On(const SyncClock& clock) {
  Answer(clock.request, powers_.owns_machine ? SetClock(clock.wall_ns)
                                             : Problem{EPERM, "set the clock: it belongs to the host"});
}

void Session::On(const Reseed& reseed) {
  Answer(reseed.request, powers_.owns_machine ? AddEntropy(reseed.entropy)
                                              : Problem{EPERM, "add entropy: the pool belongs to the host"});
}

void Session::On(const Mount& mount) {
  Answer(mount.request,
         MountFileSystem(std::string(mount.source), std::string(mount.target), std::string(mount.type),
                         static_cast<unsigned long>(mount.flags), std::string(mount.options)));
}

void Session::On(const Sync& sync_request) {
  sync();
  Answer(sync_request.request, {});
}

void Session::On(const Shutdown& shutdown) {
  shutdown_asked_ = true;
  Answer(shutdown.request, {});
}

void Session::OnExit(pid_t pid, int status, const rusage& usage) {
  for (const auto* list : {&commands_, &dying_}) {
    for (const auto& command : *list) {
      if (command->pid() == pid && !command->exited()) command->OnExit(status, usage);
    }
  }
}

void Session::AddPolls(std::vector<pollfd>& polls) const {
  for (const auto& command : commands_) command->AddPolls(polls, room());
}

void Session::OnReady(const pollfd& ready) {
  for (const auto& command : commands_) command->OnReady(ready, out_);
}

void Session::Tick() {
  for (auto& command : commands_) {
    if (const uint32_t taken = command->TakeInputCredit(); taken > 0)
      AppendMessage(out_, Credit{command->request(), taken});
    if (!command->Finished()) continue;
    AppendMessage(out_, command->Result());
    command.reset();
  }
  std::erase(commands_, nullptr);
  std::erase_if(dying_, [](const auto& command) { return command->Abandon(); });
  if (stalled_since_ != 0 && Now() - stalled_since_ > kStallNanos) {
    Say("half a message and then nothing: waiting for a new greeting");
    Reset();
  }
}

int Session::WaitMillis() const {
  int wait = dying_.empty() ? -1 : 20;
  const auto sooner = [&wait](int other) {
    if (other >= 0) wait = wait < 0 ? other : std::min(wait, other);
  };
  for (const auto& command : commands_) sooner(command->WaitMillis());
  if (stalled_since_ != 0) sooner(1000);
  return wait;
}

}  // namespace rootwright::guest
