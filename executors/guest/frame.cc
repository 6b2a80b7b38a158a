#include "executors/guest/frame.h"

#include <cstring>

namespace rootwright::guest {
namespace {

constexpr uint8_t kMagic[4] = {'R', 'W', 'G', '1'};
// Room for one frame of any size and a good piece of the next.
constexpr size_t kCapacity = kFrameHeader + kMaxPayload + 64 * 1024;

uint32_t Load32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[1]) << 8 |
         static_cast<uint32_t>(at[2]) << 16 | static_cast<uint32_t>(at[3]) << 24;
}

void Store32(uint8_t* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

struct Header {
  uint16_t type;
  size_t length;
};

bool ParseHeader(const uint8_t* at, Header& header) {
  if (std::memcmp(at, kMagic, sizeof kMagic) != 0 || at[6] != 0 || at[7] != 0) return false;
  if (Load32(at + 12) != CheckOf(at, 12)) return false;
  header.type = static_cast<uint16_t>(at[4] | at[5] << 8);
  header.length = Load32(at + 8);
  return header.length <= kMaxPayload;
}

}  // namespace

uint32_t CheckOf(const uint8_t* data, size_t size) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 16777619u;
  return hash;
}

void WriteFrameHeader(char* at, uint16_t type, size_t length) {
  uint8_t header[kFrameHeader] = {};
  std::memcpy(header, kMagic, sizeof kMagic);
  header[4] = static_cast<uint8_t>(type & 0xff);
  header[5] = static_cast<uint8_t>(type >> 8);
  Store32(header + 8, static_cast<uint32_t>(length));
  Store32(header + 12, CheckOf(header, 12));
  std::memcpy(at, header, sizeof header);
}

FrameParser::FrameParser(uint16_t first_type, size_t first_length)
    : first_type_(first_type), first_length_(first_length), buffer_(new uint8_t[kCapacity]) {}

uint8_t* FrameParser::Space(size_t& size) {
  if (begin_ == end_) begin_ = end_ = 0;
  // Moved only when the frame at hand would not fit, so rarely and at most one frame's size.
  if (begin_ > 0 && kCapacity - begin_ < kFrameHeader + kMaxPayload) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  size = kCapacity - end_;
  return buffer_.get() + end_;
}

void FrameParser::Commit(size_t size) { end_ += size; }

FrameParser::Result FrameParser::Seek() {
  while (end_ - begin_ >= kFrameHeader) {
    const uint8_t* const from = buffer_.get() + begin_;
    const void* const found = std::memchr(from, kMagic[0], end_ - begin_);
    if (found == nullptr) {
      begin_ = end_;
      break;
    }
    begin_ += static_cast<size_t>(static_cast<const uint8_t*>(found) - from);
    if (end_ - begin_ < kFrameHeader) break;
    Header header;
    if (ParseHeader(buffer_.get() + begin_, header) && header.type == first_type_ &&
        header.length == first_length_) {
      hunting_ = false;
      return Result::kFrame;
    }
    ++begin_;
  }
  return Result::kNeedMore;
}

FrameParser::Result FrameParser::Next(Frame& frame) {
  if (broken_) return Result::kBroken;
  if (hunting_ && Seek() == Result::kNeedMore) return Result::kNeedMore;
  if (end_ - begin_ < kFrameHeader) return Result::kNeedMore;
  Header header;
  if (!ParseHeader(buffer_.get() + begin_, header)) {
    broken_ = true;
    return Result::kBroken;
  }
  if (end_ - begin_ - kFrameHeader < header.length) return Result::kNeedMore;
  frame.type = header.type;
  frame.payload =
      std::string_view(reinterpret_cast<const char*>(buffer_.get()) + begin_ + kFrameHeader, header.length);
  begin_ += kFrameHeader + header.length;
  return Result::kFrame;
}

void FrameParser::HuntOn() {
  hunting_ = true;
  broken_ = false;
}

void FrameParser::Hunt() {
  begin_ = end_ = 0;
  HuntOn();
}

}  // namespace rootwright::guest
