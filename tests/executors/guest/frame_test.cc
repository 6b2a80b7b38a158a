#include "executors/guest/frame.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rootwright::guest {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Result = FrameParser::Result;

constexpr uint16_t kFirst = 1;
constexpr uint16_t kOther = 7;

std::string MakeFrame(uint16_t type, std::string_view payload) {
  std::string frame(kFrameHeader, '\0');
  WriteFrameHeader(frame.data(), type, payload.size());
  frame += payload;
  return frame;
}

struct Parsed {
  std::vector<std::string> payloads;
  Result last = Result::kNeedMore;
};

// Feeds at most `step` bytes at a time and takes all frames out after each.
Parsed Parse(FrameParser& parser, std::string_view bytes, size_t step) {
  Parsed parsed;
  while (!bytes.empty()) {
    size_t space = 0;
    uint8_t* const into = parser.Space(space);
    const size_t size = std::min({space, step, bytes.size()});
    EXPECT_GT(size, 0u);
    std::memcpy(into, bytes.data(), size);
    parser.Commit(size);
    bytes.remove_prefix(size);
    Frame frame;
    while ((parsed.last = parser.Next(frame)) == Result::kFrame) parsed.payloads.emplace_back(frame.payload);
    if (parsed.last == Result::kBroken) break;
  }
  return parsed;
}

TEST(FrameParser, CutsFramesWhereverTheBytesAreSplit) {
  const std::string stream = MakeFrame(kFirst, "hello") + MakeFrame(kOther, "") + MakeFrame(kOther, "more");
  for (const size_t step : {size_t{1}, size_t{2}, size_t{15}, size_t{16}, size_t{17}, stream.size()}) {
    FrameParser parser(kFirst, 5);
    EXPECT_THAT(Parse(parser, stream, step).payloads, ElementsAre("hello", "", "more")) << step;
  }
}

TEST(FrameParser, TakesTheLargestFrameManyTimes) {
  const std::string large(kMaxPayload, 'x');
  std::string stream = MakeFrame(kFirst, "hello");
  for (int i = 0; i < 8; ++i) stream += MakeFrame(kOther, large);
  FrameParser parser(kFirst, 5);
  const Parsed parsed = Parse(parser, stream, 70'000);
  ASSERT_EQ(parsed.payloads.size(), 9u);
  EXPECT_EQ(parsed.payloads[8], large);
}

TEST(FrameParser, IsBrokenByALengthBeyondTheLimit) {
  FrameParser parser(kFirst, 5);
  std::string header(kFrameHeader, '\0');
  WriteFrameHeader(header.data(), kOther, kMaxPayload + 1);
  EXPECT_EQ(Parse(parser, MakeFrame(kFirst, "hello") + header, 4096).last, Result::kBroken);
  Frame frame;
  EXPECT_EQ(parser.Next(frame), Result::kBroken);
}

TEST(FrameParser, IsBrokenByAnyChangedHeaderByte) {
  for (size_t at = 0; at < kFrameHeader; ++at) {
    FrameParser parser(kFirst, 5);
    std::string next = MakeFrame(kOther, "more");
    next[at] = static_cast<char>(next[at] ^ 0x40);
    EXPECT_EQ(Parse(parser, MakeFrame(kFirst, "hello") + next, 4096).last, Result::kBroken) << at;
  }
}

TEST(FrameParser, HuntsThroughGarbageForItsFirstFrame) {
  std::string garbage = MakeFrame(kOther, "stale").substr(3) + "RRWRWGRWG1" + MakeFrame(kOther, "late");
  garbage += std::string(500'000, 'R');
  for (const size_t step : {size_t{1}, size_t{64'000}}) {
    FrameParser parser(kFirst, 5);
    EXPECT_THAT(Parse(parser, garbage + MakeFrame(kFirst, "hello"), step).payloads, ElementsAre("hello"));
  }
}

TEST(FrameParser, DropsAFirstFrameOfTheWrongLength) {
  FrameParser parser(kFirst, 5);
  EXPECT_THAT(Parse(parser, MakeFrame(kFirst, "hello!"), 4096).payloads, IsEmpty());
  EXPECT_TRUE(parser.hunting());
}

TEST(FrameParser, HuntsAgainAfterABreak) {
  FrameParser parser(kFirst, 5);
  ASSERT_EQ(Parse(parser, MakeFrame(kFirst, "hello") + std::string(100, 'z'), 4096).last, Result::kBroken);
  parser.Hunt();
  EXPECT_THAT(Parse(parser, MakeFrame(kFirst, "again"), 4096).payloads, ElementsAre("again"));
}

TEST(FrameParser, HuntsOnBehindAFrameThatWasNotTheOne) {
  FrameParser parser(kFirst, 5);
  const std::string stream = MakeFrame(kFirst, "stale") + "cut" + MakeFrame(kFirst, "fresh");
  size_t space = 0;
  std::memcpy(parser.Space(space), stream.data(), stream.size());
  parser.Commit(stream.size());
  Frame frame;
  ASSERT_EQ(parser.Next(frame), Result::kFrame);
  parser.HuntOn();
  ASSERT_EQ(parser.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.payload, "fresh");
}

TEST(FrameParser, KnowsHalfAFrame) {
  FrameParser parser(kFirst, 5);
  const std::string frame = MakeFrame(kFirst, "hello");
  Parse(parser, frame, 4096);
  EXPECT_FALSE(parser.in_frame());
  Parse(parser, frame.substr(0, 3), 4096);
  EXPECT_TRUE(parser.in_frame());
}

}  // namespace
}  // namespace rootwright::guest
