#include "executors/guest/protocol.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rootwright::guest {
namespace {

using ::testing::ElementsAre;

template <typename Message>
std::string PayloadOf(const Message& message) {
  std::string frame;
  EXPECT_TRUE(AppendMessage(frame, message));
  return frame.substr(kFrameHeader);
}

Exec MakeExec() {
  Exec exec;
  exec.request = 7;
  exec.window = 1 << 20;
  exec.input_bytes = 12;
  exec.root = "/target";
  exec.working_directory = "/tmp";
  exec.argv = {"sh", "-c", ""};
  exec.variables = {"A=b"};
  return exec;
}

TEST(Protocol, ExecComesBackAsItWas) {
  const std::string payload = PayloadOf(MakeExec());
  Exec exec;
  ASSERT_TRUE(Decode(payload, exec));
  EXPECT_EQ(exec.request, 7u);
  EXPECT_EQ(exec.window, 1u << 20);
  EXPECT_EQ(exec.input_bytes, 12u);
  EXPECT_EQ(exec.root, "/target");
  EXPECT_EQ(exec.working_directory, "/tmp");
  EXPECT_THAT(exec.argv, ElementsAre("sh", "-c", ""));
  EXPECT_THAT(exec.variables, ElementsAre("A=b"));
}

TEST(Protocol, ExitedKeepsExtremeNumbers) {
  Exited exited{1,
                -1,
                std::numeric_limits<int32_t>::max(),
                std::numeric_limits<int64_t>::min(),
                -1,
                std::numeric_limits<int64_t>::max()};
  const std::string payload = PayloadOf(exited);
  Exited back;
  ASSERT_TRUE(Decode(payload, back));
  EXPECT_EQ(back.exit_code, -1);
  EXPECT_EQ(back.signal, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(back.wall_ns, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(back.cpu_ns, -1);
  EXPECT_EQ(back.max_rss_bytes, std::numeric_limits<int64_t>::max());
}

TEST(Protocol, HelloHasTheLengthThatParsersLookFor) { EXPECT_EQ(PayloadOf(Hello{}).size(), Hello::kSize); }

TEST(Protocol, NumbersAreLittleEndian) {
  EXPECT_EQ(PayloadOf(Signal{0x01020304, 15}), std::string("\x04\x03\x02\x01\x0f\0\0\0", 8));
}

TEST(Protocol, EveryCutOfAMessageIsRefused) {
  const std::string payload = PayloadOf(MakeExec());
  for (size_t size = 0; size < payload.size(); ++size) {
    Exec exec;
    EXPECT_FALSE(Decode(std::string_view(payload).substr(0, size), exec)) << size;
  }
}

TEST(Protocol, TrailingBytesAreRefused) {
  Done done;
  EXPECT_TRUE(Decode(PayloadOf(Done{3}), done));
  EXPECT_FALSE(Decode(PayloadOf(Done{3}) + "x", done));
}

TEST(Protocol, AListCountBeyondItsBytesIsRefusedWithoutMemory) {
  Exec exec = MakeExec();
  exec.argv.clear();
  exec.variables.clear();
  std::string payload = PayloadOf(exec);
  for (size_t i = payload.size() - 8; i < payload.size(); ++i) payload[i] = '\xff';
  EXPECT_FALSE(Decode(payload, exec));
  EXPECT_LE(exec.argv.capacity(), 16u);
}

TEST(Protocol, AMessageTooLargeForAFrameIsNotAppended) {
  const std::string large(kMaxPayload, 'x');
  std::string out = "before";
  EXPECT_FALSE(AppendMessage(out, Output{1, 1, large}));
  EXPECT_EQ(out, "before");
}

}  // namespace
}  // namespace rootwright::guest
