#include "ci/master/shells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace rootwright::master {
namespace {

class CountingWaker : public Waker {
 public:
  void Wake() override { ++wakes; }
  std::atomic<int> wakes{0};
};

v1::ShellOutput Data(const std::string& data) {
  v1::ShellOutput output;
  output.set_data(data);
  return output;
}

TEST(ShellPipe, GivesInOrderAndHoldsItsWriterBackWhenFull) {
  ShellPipe<v1::ShellOutput> pipe;
  const auto reader = std::make_shared<CountingWaker>();
  pipe.SetReader(reader);
  v1::ShellOutput message;
  EXPECT_EQ(*pipe.Take(&message), Supply::kNothingYet);
  int room = 0;
  int put = 0;
  while (!pipe.WaitForRoom([&] { ++room; })) pipe.Put(Data(std::to_string(put++)));
  EXPECT_GT(put, 0);
  EXPECT_GE(reader->wakes, put);
  EXPECT_EQ(*pipe.Take(&message), Supply::kMessage);
  EXPECT_EQ(message.data(), "0");
  EXPECT_EQ(room, 1);
}

TEST(ShellPipe, EndsWithItsStatusOnceEverythingIsTaken) {
  ShellPipe<v1::ShellOutput> pipe;
  pipe.Put(Data("x"));
  pipe.Close(absl::NotFoundError("gone"));
  pipe.Close(absl::OkStatus());
  pipe.Put(Data("late"));
  v1::ShellOutput message;
  EXPECT_EQ(*pipe.Take(&message), Supply::kMessage);
  EXPECT_TRUE(absl::IsNotFound(pipe.Take(&message).status()));
}

TEST(ShellPipe, FreesAWriterThatWaitsWhenItCloses) {
  ShellPipe<v1::ShellOutput> pipe;
  int room = 0;
  while (!pipe.WaitForRoom([&] { ++room; })) pipe.Put(Data("x"));
  pipe.Close(absl::OkStatus());
  EXPECT_EQ(room, 1);
  EXPECT_FALSE(pipe.WaitForRoom([&] { ++room; }));
}

TEST(ShellRelay, TellsTheCallerWhyTheAgentFailed) {
  ShellRelay relay;
  v1::ShellOutput failed;
  failed.mutable_failed()->set_code(5);
  failed.mutable_failed()->set_message("not here");
  ASSERT_TRUE(relay.FromAgent(failed).ok());
  v1::ShellOutput message;
  EXPECT_EQ(relay.to_caller.Take(&message).status(), absl::NotFoundError("not here"));
  v1::ShellInput input;
  EXPECT_EQ(*relay.to_agent.Take(&input), Supply::kEnd);
}

TEST(ShellRelay, AnAgentsWordsAreBounded) {
  ShellRelay relay;
  EXPECT_TRUE(absl::IsInvalidArgument(relay.FromAgent(Data(std::string(65537, 'x')))));
  v1::ShellOutput failed;
  failed.mutable_failed()->set_code(-7);
  ASSERT_TRUE(relay.FromAgent(failed).ok());
  v1::ShellOutput message;
  EXPECT_TRUE(absl::IsInternal(relay.to_caller.Take(&message).status()));
}

TEST(ShellRelay, AnAgentThatGoesIsTold) {
  ShellRelay relay;
  relay.AgentGone();
  v1::ShellOutput message;
  EXPECT_TRUE(absl::IsUnavailable(relay.to_caller.Take(&message).status()));
}

}  // namespace
}  // namespace rootwright::master
