#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

// The lowest layer of what host and guest say to each other. Standard library only: the
// guest program is built from it too.
//
// A frame is a header of 16 bytes and a payload; numbers are little-endian:
//   0  magic    4  "RWG1"
//   4  type     2  see MessageType in protocol.h
//   6  zero     2
//   8  length   4  of the payload, at most kMaxPayload
//  12  check    4  CheckOf(the 12 bytes before)
namespace rootwright::guest {

constexpr size_t kFrameHeader = 16;
constexpr size_t kMaxPayload = 256 * 1024;

struct Frame {
  uint16_t type = 0;
  // Points into the parser.
  std::string_view payload;
};

// FNV-1a, 32 bits. It finds where frames begin; it is no protection against malice.
uint32_t CheckOf(const uint8_t* data, size_t size);

// Writes kFrameHeader bytes for a payload of `length` bytes.
void WriteFrameHeader(char* at, uint16_t type, size_t length);

// Cuts a stream of bytes into frames. Its memory is one buffer of fixed size: no number of
// the peer's decides an allocation.
//
// A new parser hunts: it drops bytes until a header of the type and length given stands
// there, because what a former connection left half-said may come first. From that frame on
// every byte has to fit.
class FrameParser {
 public:
  enum class Result { kFrame, kNeedMore, kBroken };

  FrameParser(uint16_t first_type, size_t first_length);

  // Where the next bytes go: `size` of them at most, never 0 after Next said kNeedMore. Ends
  // the life of frames handed out.
  uint8_t* Space(size_t& size);
  // That many were put there.
  void Commit(size_t size);

  // The next whole frame. Once kBroken, always kBroken, until Hunt.
  Result Next(Frame& frame);

  // The last frame was not the one looked for, or the bytes are broken: hunts on from there.
  void HuntOn();
  // Forgets what is there and hunts.
  void Hunt();

  bool hunting() const { return hunting_; }
  // Some bytes of a frame are there, but not all of them.
  bool in_frame() const { return !hunting_ && begin_ != end_; }

 private:
  Result Seek();

  const uint16_t first_type_;
  const size_t first_length_;
  const std::unique_ptr<uint8_t[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool hunting_ = true;
  bool broken_ = false;
};

}  // namespace rootwright::guest
