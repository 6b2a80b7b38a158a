#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/build/artifact_publisher.h"
#include "agent/build/planned_build.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "executors/environment.h"
#include "executors/step.h"

namespace rootwright {

// Time that only the test moves; may be moved and read from any thread.
class FakeClock : public Clock {
 public:
  absl::Time Wall() const override { return absl::FromUnixSeconds(1'700'000'000) + Passed(); }
  Instant Now() const override { return start_ + absl::ToChronoNanoseconds(Passed()); }
  void Advance(absl::Duration by) {
    MutexLock lock(mutex_);
    passed_ += by;
  }

 private:
  absl::Duration Passed() const {
    MutexLock lock(mutex_);
    return passed_;
  }
  const Instant start_ = std::chrono::steady_clock::now();
  mutable Mutex mutex_;
  absl::Duration passed_ RW_GUARDED_BY(mutex_);
};

// An environment that only counts CPU time and remembers that it was killed.
class FakeEnvironment : public Environment {
 public:
  absl::Status Reach(Deadline, std::stop_token) override { return absl::OkStatus(); }
  absl::StatusOr<CommandResult> Run(const EnvironmentCommand&, const OutputSink&, Deadline,
                                    std::stop_token) override {
    return CommandResult();
  }
  absl::Status PutFile(absl::string_view, int, absl::string_view, Deadline, std::stop_token) override {
    return {};
  }
  absl::Status GetFile(absl::string_view, int64_t, const FileSink&, Deadline, std::stop_token) override {
    return {};
  }
  absl::StatusOr<std::string> ImportTree(const std::filesystem::path&, const OutputSink&, Deadline,
                                         std::stop_token) override {
    return "/";
  }
  absl::Status ShareInputs(const std::filesystem::path&, absl::string_view, Deadline,
                           std::stop_token) override {
    return absl::UnimplementedError("share inputs");
  }
  absl::Status ExportChanges(const std::filesystem::path&, Deadline, std::stop_token) override { return {}; }
  std::string Describe() const override { return "fake"; }
  absl::StatusOr<absl::Duration> CpuTime() override {
    MutexLock lock(mutex_);
    return cpu_;
  }
  absl::Status End(absl::Duration) override { return absl::OkStatus(); }
  void Kill() override {
    {
      MutexLock lock(mutex_);
      killed_ = true;
    }
    changed_.notify_all();
  }

  void UseCpu(absl::Duration time) {
    MutexLock lock(mutex_);
    cpu_ += time;
  }
  bool killed() {
    MutexLock lock(mutex_);
    return killed_;
  }
  // Deaf to stops, as a hung machine is.
  absl::Status WaitUntilKilled() {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [this] { return killed_; });
    return absl::UnavailableError("run: machine: it was killed");
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  absl::Duration cpu_ RW_GUARDED_BY(mutex_);
  bool killed_ RW_GUARDED_BY(mutex_) = false;
};

// Returns when a stop is asked for, as a blocking call of a step does.
inline absl::Status WaitForStop(std::stop_token stop) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(mutex);
  never.wait(mutex, stop, [] { return false; });
  return absl::CancelledError("wait: stopped");
}

class FakeStep : public Step {
 public:
  using Body = std::function<absl::StatusOr<StepResult>(StepContext&)>;
  FakeStep(std::string name, Place place, Body body)
      : name_(std::move(name)), place_(place), body_(std::move(body)) {}
  std::string name() const override { return name_; }
  Place place() const override { return place_; }
  absl::StatusOr<StepResult> Apply(StepContext& context) override { return body_(context); }

 private:
  const std::string name_;
  const Place place_;
  const Body body_;
};

// What the test puts into its steps, and what became of the routine. Lives in the test, longer than the
// build.
struct FakeBuild {
  struct Part {
    std::string name;
    Place place = Place::kHost;
    FakeStep::Body body = [](StepContext&) { return StepResult(); };
  };
  std::vector<Part> parts = {
      {"prepare_image"}, {"setup_environment"}, {"run_command", Place::kEnvironment}, {"collect_files"}};
  int preparing = 2;
  int collecting = 1;
  std::vector<ArtifactFile> artifacts;
  std::vector<ArtifactFile> failure_artifacts;
  // What has ended, and the steps as they are then.
  std::function<void(absl::string_view, std::vector<std::unique_ptr<Step>>&)> on_step_ended;
  FakeEnvironment environment;
  absl::Status make_status;
  std::atomic<int> environment_ended{0};

  // The step of that name does this instead.
  void Do(const std::string& name, FakeStep::Body body) {
    for (Part& part : parts) {
      if (part.name == name) part.body = std::move(body);
    }
  }
};

class FakeRoutine : public Routine {
 public:
  explicit FakeRoutine(FakeBuild& build) : build_(build) {
    for (const auto& part : build.parts)
      steps_.push_back(std::make_unique<FakeStep>(part.name, part.place, part.body));
  }
  const std::vector<std::unique_ptr<Step>>& steps() const override { return steps_; }
  int preparing_steps() const override { return build_.preparing; }
  int collecting_steps() const override { return build_.collecting; }
  const std::vector<ArtifactFile>& artifacts() const override { return build_.artifacts; }
  const std::vector<ArtifactFile>& failure_artifacts() const override { return build_.failure_artifacts; }
  Environment* environment() override { return &build_.environment; }
  void StepEnded(absl::string_view step, absl::Duration) override {
    if (build_.on_step_ended) build_.on_step_ended(step, steps_);
  }
  absl::Status EndEnvironment(absl::Duration) override {
    ++build_.environment_ended;
    return absl::OkStatus();
  }

 private:
  FakeBuild& build_;
  std::vector<std::unique_ptr<Step>> steps_;
};

class FakeRoutines : public RoutineFactory {
 public:
  explicit FakeRoutines(FakeBuild& build) : build_(build) {}
  absl::StatusOr<std::unique_ptr<Routine>> Make(const PlannedBuild&) override {
    if (!build_.make_status.ok()) return build_.make_status;
    return std::make_unique<FakeRoutine>(build_);
  }

 private:
  FakeBuild& build_;
};

class FakePublisher : public ArtifactPublisher {
 public:
  absl::Status Publish(const std::string&, const std::string&, const ArtifactFile& artifact,
                       const ProgressSink&, Deadline, std::stop_token stop) override {
    published.push_back(artifact.name);
    if (hangs) return WaitForStop(stop);
    return status;
  }
  std::vector<std::string> published;
  absl::Status status;
  bool hangs = false;
};

}  // namespace rootwright
