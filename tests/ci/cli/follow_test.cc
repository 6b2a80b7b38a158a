#include "ci/cli/follow.h"

#include <gmock/gmock.h>
#include <signal.h>

#include "ci/cli/master_client.h"
#include "tests/ci/cli/fake_master.h"
#include "tests/ci/cli/story.h"

namespace rootwright::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kUnavailable = 14;

// Keeps what it is told, in words.
class FakePresenter : public Presenter {
 public:
  void Show(const v1::WatchBuildResponse& message) override {
    if (message.has_event())
      sequences.push_back(message.event().attempt() * 100 + message.event().sequence());
  }
  void Explain(const v1::ExplainPendingResponse& why) override {
    said.push_back(why.summary());
    if (on_explain) on_explain();
  }
  void Notice(const std::string& notice) override {
    said.push_back(notice);
    if (on_notice) on_notice();
  }
  Instant Refresh(Instant) override { return Instant::max(); }
  void End(const Ending&) override {}

  std::vector<int64_t> sequences;
  std::vector<std::string> said;
  std::function<void()> on_explain;
  std::function<void()> on_notice;
};

class Follow : public testing::Test {
 protected:
  Follow() : client_(DialMaster(master_.address()).value(), master_.address()) {
    master_.SetBuild(
        Parse<v1::Build>("id: '7f3a0000' state: BUILD_STATE_FINISHED outcome: OUTCOME_SUCCEEDED attempt: 1"));
    options_.stream.build_id = "7f3a0000";
    options_.stream.first_pause = absl::Milliseconds(1);
  }
  absl::StatusOr<v1::Build> Run() { return FollowBuild(client_, presenter_, interrupts_, options_); }
  static std::vector<v1::WatchBuildResponse> Events(int from, int to, int attempt = 1) {
    std::vector<v1::WatchBuildResponse> events;
    for (int i = from; i <= to; ++i) {
      events.push_back(Parse<v1::WatchBuildResponse>("event { sequence: " + std::to_string(i) +
                                                     " attempt: " + std::to_string(attempt) +
                                                     " state_changed { state: BUILD_STATE_RUNNING } }"));
    }
    return events;
  }

  Interrupts interrupts_;
  FakeMaster master_;
  BuildClient client_;
  FakePresenter presenter_;
  FollowOptions options_;
};

TEST_F(Follow, ReturnsFinishedBuild) {
  master_.SetWatch({{Events(1, 3)}});
  const auto build = Run();
  ASSERT_TRUE(build.ok()) << build.status();
  EXPECT_EQ(build->outcome(), v1::OUTCOME_SUCCEEDED);
  EXPECT_THAT(presenter_.sequences, ElementsAre(101, 102, 103));
  EXPECT_TRUE(master_.watched()[0].omit_log_chunks());
}

TEST_F(Follow, GoesOnFromNextSequenceAfterLostLink) {
  master_.SetWatch({{Events(1, 2), kUnavailable}, {Events(2, 4)}});
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(presenter_.sequences, ElementsAre(101, 102, 103, 104));
  EXPECT_EQ(master_.watched()[1].from_sequence(), 3);
  EXPECT_EQ(master_.watched()[1].attempt(), 1);
}

TEST_F(Follow, CountsAnewInNextAttempt) {
  auto messages = Events(1, 2);
  const auto more = Events(1, 2, 2);
  messages.insert(messages.end(), more.begin(), more.end());
  master_.SetWatch({{messages, kUnavailable}, {Events(3, 3, 2)}});
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(presenter_.sequences, ElementsAre(101, 102, 201, 202, 203));
  EXPECT_EQ(master_.watched()[1].attempt(), 2);
}

TEST_F(Follow, GivesUpAfterStatedTime) {
  options_.stream.reconnect_for = absl::Milliseconds(20);
  master_.SetWatch({{{}, kUnavailable}});
  const auto build = Run();
  EXPECT_EQ(build.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(build.status().message()), HasSubstr("rootwright build watch 7f3a0000"));
}

TEST_F(Follow, EndsAtOnceWhenThereIsNoSuchBuild) {
  master_.SetWatch({{{}, 5}});
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(master_.watched().size(), 1u);
}

TEST_F(Follow, ExplainsBuildThatWaits) {
  options_.explain_after = absl::ZeroDuration();
  master_.SetExplanation(Parse<v1::ExplainPendingResponse>("summary: 'no agent offers riscv64'"));
  Story story;
  story.Build("state: BUILD_STATE_QUEUED");
  master_.SetWatch({{story.messages(), 0, true}});
  presenter_.on_explain = [this] { ASSERT_TRUE(client_.Cancel("7f3a0000", "").ok()); };
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(presenter_.said, ElementsAre("no agent offers riscv64"));
}

TEST_F(Follow, DetachesOnFirstPress) {
  options_.second_press_within = absl::Milliseconds(1);
  master_.SetWatch({{Events(1, 1), 0, true}});
  std::jthread presser([this] {
    master_.AwaitWatch(1);
    kill(getpid(), SIGINT);
  });
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(master_.cancels(), 0);
  ASSERT_FALSE(presenter_.said.empty());
  EXPECT_EQ(presenter_.said[0],
            "detached, the build goes on; `rootwright build watch 7f3a0000`, or press again to cancel it");
}

TEST_F(Follow, TakesSignalSentTwiceForOnePress) {
  options_.one_press = absl::Minutes(5);
  master_.SetWatch({{Events(1, 1), 0, true}});
  presenter_.on_notice = [] { kill(getpid(), SIGINT); };
  options_.second_press_within = absl::Milliseconds(50);
  std::jthread presser([this] {
    master_.AwaitWatch(1);
    kill(getpid(), SIGINT);
  });
  EXPECT_EQ(Run().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(master_.cancels(), 0);
}

TEST_F(Follow, CancelsOnSecondPressAndStaysToTheEnd) {
  options_.one_press = absl::ZeroDuration();
  options_.second_press_within = absl::Minutes(5);
  master_.SetWatch({{Events(1, 1), 0, true}});
  presenter_.on_notice = [this] {
    if (presenter_.said.size() == 1) kill(getpid(), SIGINT);
  };
  std::jthread presser([this] {
    master_.AwaitWatch(1);
    kill(getpid(), SIGINT);
  });
  const auto build = Run();
  ASSERT_TRUE(build.ok()) << build.status();
  EXPECT_EQ(build->outcome(), v1::OUTCOME_CANCELLED);
  EXPECT_EQ(master_.cancels(), 1);
}

}  // namespace
}  // namespace rootwright::cli
