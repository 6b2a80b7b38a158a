#include "agent/link/shells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>

namespace rootwright {
namespace {

using testing::HasSubstr;

// A shell that echoes its input, in capitals where it is told to, until it is told "exit".
class FakeShell : public Shell {
 public:
  struct State {
    Mutex mutex;
    CondVar changed;
    std::deque<Said> said RW_GUARDED_BY(mutex);
    bool hung_up RW_GUARDED_BY(mutex) = false;
    std::vector<std::pair<int, int>> sizes RW_GUARDED_BY(mutex);
  };
  explicit FakeShell(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~FakeShell() override { HangUp(); }
  absl::StatusOr<Said> Read() override {
    MutexLock lock(state_->mutex);
    state_->changed.wait(state_->mutex, [&] { return !state_->said.empty() || state_->hung_up; });
    if (state_->hung_up) return absl::CancelledError("hung up");
    Said said = std::move(state_->said.front());
    state_->said.pop_front();
    return said;
  }
  absl::Status Write(absl::string_view data) override {
    Said said{OutputStream::kStdout, std::string(data), std::nullopt};
    if (data == "exit") {
      said.data.clear();
      said.result = CommandResult();
      said.result->exit_code = 4;
    }
    Put(std::move(said));
    return absl::OkStatus();
  }
  void EndInput() override { Put({OutputStream::kStderr, "end of input", std::nullopt}); }
  void Resize(TerminalSize size) override {
    MutexLock lock(state_->mutex);
    state_->sizes.emplace_back(size.rows, size.columns);
  }
  void HangUp() override {
    {
      MutexLock lock(state_->mutex);
      state_->hung_up = true;
    }
    state_->changed.notify_all();
  }

 private:
  void Put(Said said) {
    {
      MutexLock lock(state_->mutex);
      state_->said.push_back(std::move(said));
    }
    state_->changed.notify_all();
  }
  const std::shared_ptr<State> state_;
};

class FakeBuilds : public LeaseHolder {
 public:
  absl::Status Take(const v1::Lease&) override { return absl::OkStatus(); }
  void End(absl::string_view, Ending) override {}
  void Discard(absl::string_view) override {}
  bool IsRunning(absl::string_view) const override { return true; }
  Room room() const override { return {}; }
  std::vector<Kept> kept() const override { return {}; }
  void ReleaseKept(absl::string_view) override {}
  absl::StatusOr<std::unique_ptr<Shell>> OpenShell(absl::string_view build_id, const ShellCommand& command,
                                                   std::stop_token) override {
    if (build_id != "a") return absl::NotFoundError("shell: build is not here");
    MutexLock lock(mutex);
    commands.push_back(command);
    return std::make_unique<FakeShell>(state);
  }
  const std::shared_ptr<FakeShell::State> state = std::make_shared<FakeShell::State>();
  Mutex mutex;
  std::vector<ShellCommand> commands RW_GUARDED_BY(mutex);
};

// The master's end of one stream.
class FakeStream : public ShellStream {
 public:
  struct State {
    Mutex mutex;
    CondVar changed;
    std::deque<v1::ServeShellRequest> written RW_GUARDED_BY(mutex);
    std::deque<v1::ServeShellResponse> to_read RW_GUARDED_BY(mutex);
    bool writing_ended RW_GUARDED_BY(mutex) = false;
    bool ended RW_GUARDED_BY(mutex) = false;

    v1::ServeShellRequest Next() {
      MutexLock lock(mutex);
      changed.wait(mutex, [&] { return !written.empty(); });
      v1::ServeShellRequest message = std::move(written.front());
      written.pop_front();
      return message;
    }
    void Say(const v1::ShellInput& input) {
      {
        MutexLock lock(mutex);
        *to_read.emplace_back().mutable_input() = input;
      }
      changed.notify_all();
    }
    void End() {
      {
        MutexLock lock(mutex);
        ended = true;
      }
      changed.notify_all();
    }
    void AwaitEndOfWriting() {
      MutexLock lock(mutex);
      changed.wait(mutex, [&] { return writing_ended; });
    }
  };
  explicit FakeStream(std::shared_ptr<State> state) : state_(std::move(state)) {}
  bool Write(const v1::ServeShellRequest& message) override {
    MutexLock lock(state_->mutex);
    if (state_->ended) return false;
    state_->written.push_back(message);
    state_->changed.notify_all();
    return true;
  }
  void EndWriting() override {
    MutexLock lock(state_->mutex);
    state_->writing_ended = true;
    state_->changed.notify_all();
  }
  bool Read(v1::ServeShellResponse* message) override {
    MutexLock lock(state_->mutex);
    state_->changed.wait(state_->mutex, [&] { return !state_->to_read.empty() || state_->ended; });
    if (state_->to_read.empty()) return false;
    *message = std::move(state_->to_read.front());
    state_->to_read.pop_front();
    return true;
  }
  void Cancel() override { state_->End(); }

 private:
  const std::shared_ptr<State> state_;
};

class FakeWire : public ShellWire {
 public:
  std::unique_ptr<ShellStream> ServeShell() override { return std::make_unique<FakeStream>(state); }
  const std::shared_ptr<FakeStream::State> state = std::make_shared<FakeStream::State>();
};

class ShellsTest : public testing::Test {
 protected:
  static v1::OpenShell Asked(const std::string& build) {
    v1::OpenShell asked;
    asked.set_shell_id("s1");
    asked.set_build_id(build);
    return asked;
  }
  static v1::ShellInput Data(const std::string& data) {
    v1::ShellInput input;
    input.set_data(data);
    return input;
  }

  FakeWire wire_;
  FakeBuilds builds_;
  std::unique_ptr<Shells> shells_ = std::make_unique<Shells>(wire_, builds_);
};

TEST_F(ShellsTest, MovesBytesBothWaysAndTheExitStatusLast) {
  shells_->Serve(Asked("a"));
  EXPECT_EQ(wire_.state->Next().shell_id(), "s1");
  wire_.state->Say(Data("hello"));
  EXPECT_EQ(wire_.state->Next().output().data(), "hello");
  v1::ShellInput end;
  end.set_end(true);
  wire_.state->Say(end);
  EXPECT_EQ(wire_.state->Next().output().error_data(), "end of input");
  v1::ShellInput resize;
  resize.mutable_resize()->set_rows(7);
  resize.mutable_resize()->set_columns(100'000);
  wire_.state->Say(resize);
  wire_.state->Say(Data("exit"));
  EXPECT_EQ(wire_.state->Next().output().ended().exit_code(), 4);
  wire_.state->AwaitEndOfWriting();
  wire_.state->End();
  MutexLock lock(builds_.state->mutex);
  EXPECT_THAT(builds_.state->sizes, testing::ElementsAre(testing::Pair(7, 65535)));
}

TEST_F(ShellsTest, ABuildThatIsNotHereIsSaidSo) {
  shells_->Serve(Asked("b"));
  wire_.state->Next();
  const v1::ShellFailed failed = wire_.state->Next().output().failed();
  EXPECT_EQ(failed.code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_THAT(failed.message(), HasSubstr("not here"));
  wire_.state->End();
}

TEST_F(ShellsTest, TheEndOfTheStreamHangsUp) {
  shells_->Serve(Asked("a"));
  wire_.state->Next();
  wire_.state->Say(Data("x"));
  wire_.state->Next();
  wire_.state->End();
  MutexLock lock(builds_.state->mutex);
  builds_.state->changed.wait(builds_.state->mutex, [&] { return builds_.state->hung_up; });
}

TEST_F(ShellsTest, ItsOwnEndHangsUpWhatRuns) {
  shells_->Serve(Asked("a"));
  wire_.state->Next();
  wire_.state->Say(Data("x"));
  wire_.state->Next();
  shells_.reset();
  MutexLock lock(builds_.state->mutex);
  EXPECT_TRUE(builds_.state->hung_up);
}

TEST(ShellCommandOf, MakesALoginShellOfNothing) {
  v1::ShellCommand asked;
  asked.mutable_terminal()->set_rows(0);
  const auto command = ShellCommandOf(asked);
  ASSERT_TRUE(command.ok());
  EXPECT_EQ(command->argv[0], "/bin/sh");
  EXPECT_EQ(command->variables.at("HOME"), "/root");
  EXPECT_EQ(command->variables.at("TERM"), "dumb");
  EXPECT_EQ(command->terminal->rows, 1);
  EXPECT_EQ(command->root, ShellCommand::Root::kBuild);
}

TEST(ShellCommandOf, KeepsTheContractsLimits) {
  v1::ShellCommand asked;
  (*asked.mutable_environment())["A=B"] = "x";
  EXPECT_TRUE(absl::IsInvalidArgument(ShellCommandOf(asked).status()));
  asked.clear_environment();
  asked.add_argv(std::string(200'000, 'x'));
  EXPECT_TRUE(absl::IsInvalidArgument(ShellCommandOf(asked).status()));
  asked.clear_argv();
  asked.set_working_directory("tmp");
  EXPECT_TRUE(absl::IsInvalidArgument(ShellCommandOf(asked).status()));
}

}  // namespace
}  // namespace rootwright
