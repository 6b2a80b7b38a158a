#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "executors/guest/frame.h"

// What host and guest say, each message in one frame. Strings and byte strings are a 32-bit
// length and the bytes, lists a 32-bit count and the elements. Strings handed out by Decode
// point into the payload.
//
// The host asks, with request ids that only grow; the guest answers each with Done, Error or
// the message named below. Hello starts a session: what an earlier one left is dropped, its
// commands are killed.
namespace rootwright::guest {

constexpr uint32_t kProtocolVersion = 2;
// What a command reads from standard input in all.
constexpr uint32_t kMaxInput = 1024 * 1024;
// What is on its way to a shell and not read by it: the host waits for Credit beyond that.
constexpr uint32_t kShellInputWindow = 256 * 1024;
// Bytes in one Output, Input, PutFile or FileData.
constexpr size_t kMaxChunk = 64 * 1024;

enum class MessageType : uint16_t {
  kHello = 1,
  kPing,
  kPong,
  kExec,
  kInput,
  kOutput,
  kCredit,
  kExited,
  kSignal,
  kPutFile,
  kGetFile,
  kFileData,
  kSyncClock,
  kReseed,
  kMount,
  kSync,
  kShutdown,
  kDone,
  kError,
  kShell,
  kResize,
};

// Both ways, first. The guest repeats the host's nonce, which tells it from stale bytes.
struct Hello {
  static constexpr MessageType kType = MessageType::kHello;
  static constexpr size_t kSize = 20;
  uint32_t version = kProtocolVersion;
  // None so far.
  uint64_t features = 0;
  uint64_t nonce = 0;
};

struct Ping {
  static constexpr MessageType kType = MessageType::kPing;
  uint64_t token = 0;
};

struct Pong {
  static constexpr MessageType kType = MessageType::kPong;
  uint64_t token = 0;
};

// Runs a program: Output, then Exited or Error. `input_bytes` of Input follow.
struct Exec {
  static constexpr MessageType kType = MessageType::kExec;
  uint32_t request = 0;
  // Output bytes that the guest may send before it gets Credit.
  uint32_t window = 0;
  uint32_t input_bytes = 0;
  std::string_view root;
  std::string_view working_directory;
  std::vector<std::string_view> argv;
  // "NAME=value".
  std::vector<std::string_view> variables;
};

// Runs a program for a person, beside what Exec runs: as Exec, but that Input comes as it is typed, within
// kShellInputWindow, until an empty one says that this is all. The guest gives Credit for what the program
// has taken. Its processes are its own: those of other commands are not theirs to reap.
struct Shell {
  static constexpr MessageType kType = MessageType::kShell;
  uint32_t request = 0;
  uint32_t window = 0;
  // 1: on a terminal, whose output is all stdout and which knows no end of input; 0: on pipes.
  uint8_t terminal = 0;
  uint16_t rows = 0;
  uint16_t columns = 0;
  std::string_view root;
  std::string_view working_directory;
  std::vector<std::string_view> argv;
  // "NAME=value".
  std::vector<std::string_view> variables;
};

// The terminal of a shell is of another size now.
struct Resize {
  static constexpr MessageType kType = MessageType::kResize;
  uint32_t request = 0;
  uint16_t rows = 0;
  uint16_t columns = 0;
};

struct Input {
  static constexpr MessageType kType = MessageType::kInput;
  uint32_t request = 0;
  std::string_view data;
};

struct Output {
  static constexpr MessageType kType = MessageType::kOutput;
  uint32_t request = 0;
  // 1 stdout, 2 stderr.
  uint8_t stream = 0;
  std::string_view data;
};

// The host has dealt with that many bytes of Output, or, from the guest, a shell with that many of Input.
struct Credit {
  static constexpr MessageType kType = MessageType::kCredit;
  uint32_t request = 0;
  uint32_t bytes = 0;
};

struct Exited {
  static constexpr MessageType kType = MessageType::kExited;
  uint32_t request = 0;
  int32_t exit_code = 0;
  int32_t signal = 0;
  int64_t wall_ns = 0;
  int64_t cpu_ns = 0;
  int64_t max_rss_bytes = 0;
};

// To every process that descends from the command. After TERM or KILL, Exited comes only when
// none of them is left.
struct Signal {
  static constexpr MessageType kType = MessageType::kSignal;
  uint32_t request = 0;
  int32_t number = 0;
};

// A piece of a file; the one that ends at `size` makes the file appear and is answered.
struct PutFile {
  static constexpr MessageType kType = MessageType::kPutFile;
  uint32_t request = 0;
  uint32_t mode = 0;
  uint64_t size = 0;
  uint64_t offset = 0;
  std::string_view path;
  std::string_view data;
};

// One piece: FileData. Shorter than asked means that the file ends there.
struct GetFile {
  static constexpr MessageType kType = MessageType::kGetFile;
  uint32_t request = 0;
  uint32_t bytes = 0;
  uint64_t offset = 0;
  std::string_view path;
};

struct FileData {
  static constexpr MessageType kType = MessageType::kFileData;
  uint32_t request = 0;
  std::string_view data;
};

struct SyncClock {
  static constexpr MessageType kType = MessageType::kSyncClock;
  uint32_t request = 0;
  // Since 1970.
  int64_t wall_ns = 0;
};

struct Reseed {
  static constexpr MessageType kType = MessageType::kReseed;
  uint32_t request = 0;
  std::string_view entropy;
};

struct Mount {
  static constexpr MessageType kType = MessageType::kMount;
  uint32_t request = 0;
  uint64_t flags = 0;
  std::string_view source;
  std::string_view target;
  std::string_view type;
  std::string_view options;
};

struct Sync {
  static constexpr MessageType kType = MessageType::kSync;
  uint32_t request = 0;
};

struct Shutdown {
  static constexpr MessageType kType = MessageType::kShutdown;
  uint32_t request = 0;
};

struct Done {
  static constexpr MessageType kType = MessageType::kDone;
  uint32_t request = 0;
};

struct Error {
  static constexpr MessageType kType = MessageType::kError;
  uint32_t request = 0;
  // An errno of Linux's generic table.
  int32_t code = 0;
  // "what failed: object: cause".
  std::string_view text;
};

// Appends the message as one frame. False, with nothing appended, when it is larger than a
// frame may be.
template <typename Message>
bool AppendMessage(std::string& out, const Message& message);

// False when the payload is not exactly one such message.
template <typename Message>
bool Decode(std::string_view payload, Message& message);

}  // namespace rootwright::guest
