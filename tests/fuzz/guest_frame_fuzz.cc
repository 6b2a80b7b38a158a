// The parser of the guest channel and every message decoder: each end is the other's
// hostile peer. The first byte says in what portions the rest arrives.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "executors/guest/frame.h"
#include "executors/guest/protocol.h"

namespace {

using namespace rootwright::guest;

// What decodes must encode to the same bytes.
template <typename Message>
void TryDecode(std::string_view payload) {
  Message message;
  if (!Decode(payload, message)) return;
  std::string frame;
  if (!AppendMessage(frame, message) || std::string_view(frame).substr(kFrameHeader) != payload) std::abort();
}

void TryAll(std::string_view payload) {
  TryDecode<Hello>(payload);
  TryDecode<Ping>(payload);
  TryDecode<Pong>(payload);
  TryDecode<Exec>(payload);
  TryDecode<Input>(payload);
  TryDecode<Output>(payload);
  TryDecode<Credit>(payload);
  TryDecode<Exited>(payload);
  TryDecode<Signal>(payload);
  TryDecode<PutFile>(payload);
  TryDecode<GetFile>(payload);
  TryDecode<FileData>(payload);
  TryDecode<SyncClock>(payload);
  TryDecode<Reseed>(payload);
  TryDecode<Mount>(payload);
  TryDecode<Sync>(payload);
  TryDecode<Shutdown>(payload);
  TryDecode<Done>(payload);
  TryDecode<Error>(payload);
  TryDecode<Shell>(payload);
  TryDecode<Resize>(payload);
}

void ParseStream(std::string_view bytes, size_t step) {
  FrameParser parser(static_cast<uint16_t>(Hello::kType), Hello::kSize);
  while (!bytes.empty()) {
    size_t space = 0;
    uint8_t* const into = parser.Space(space);
    if (space == 0) std::abort();
    const size_t size = std::min({space, step, bytes.size()});
    std::memcpy(into, bytes.data(), size);
    parser.Commit(size);
    bytes.remove_prefix(size);
    Frame frame;
    FrameParser::Result result;
    while ((result = parser.Next(frame)) == FrameParser::Result::kFrame) {
      if (frame.payload.size() > kMaxPayload) std::abort();
      TryAll(frame.payload);
    }
    if (result == FrameParser::Result::kBroken) parser.Hunt();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  TryAll(bytes);
  ParseStream(bytes, size_t{1} + data[0]);
  // Behind a greeting every byte has to fit, and mutations rarely leave one whole.
  std::string greeted;
  AppendMessage(greeted, Hello{});
  ParseStream(greeted + std::string(bytes), size_t{1} + data[0]);
  return 0;
}
