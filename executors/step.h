#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "executors/environment.h"
#include "executors/executor.h"

namespace rootwright {

// Where the work of a step is done: on the host natively, or inside the environment.
enum class Place { kHost, kEnvironment, kBoth };

// A file that a build gives back.
struct ArtifactFile {
  // Without a folder, e.g. "rootfs.tar.zst".
  std::string name;
  std::filesystem::path path;
  int64_t size_bytes = 0;
  // 64 lower-case hexadecimal digits.
  std::string sha256;
  // IANA media type.
  std::string media_type;
};

// What a package manager means to do.
struct PlanSize {
  int packages = 0;
  int64_t download_bytes = 0;
  int64_t installed_bytes = 0;
  // Of the packages, those that a cache has as built.
  int binary_packages = 0;
};

// What a step tells while it works. Called from the build's thread.
class StepReporter {
 public:
  virtual ~StepReporter() = default;

  // A piece of the step's log, as it comes.
  virtual void Log(OutputStream stream, absl::string_view data) = 0;
  virtual void Progress(const ProgressUpdate& update) = 0;
  // One line that the user should see; does not end the build.
  virtual void Warn(absl::string_view message) = 0;
  // The source's commit was pinned: full hexadecimal id and its time.
  virtual void SourceResolved(absl::string_view commit, absl::Time commit_time) = 0;
  // The package manager's plan is known.
  virtual void PlanReady(const PlanSize& plan) = 0;
};

struct StepContext {
  StepReporter& reporter;
  // The build's wall limit.
  Deadline deadline;
  std::stop_token stop;

  // An OutputSink that logs.
  OutputSink LogSink() const {
    return [&to = reporter](OutputStream stream, absl::string_view data) { to.Log(stream, data); };
  }
};

// How the user's part of a step ended. Default: well.
struct StepResult {
  int exit_code = 0;
  int signal = 0;
  // "object: cause", set when it failed; shown to people behind the step's name.
  std::string failure;
  // One line for people on what the step came to, e.g. "9 packages asked"; may be empty.
  std::string summary;
  // Of what the step ran, if known.
  absl::Duration cpu;
  int64_t peak_memory_bytes = 0;

  bool ok() const { return failure.empty(); }
  static StepResult Done(std::string summary) {
    StepResult result;
    result.summary = std::move(summary);
    return result;
  }
  static StepResult Failed(std::string why, int exit_code = 1, int signal = 0) {
    StepResult result;
    result.failure = std::move(why);
    result.exit_code = exit_code;
    result.signal = signal;
    return result;
  }
};

// One step of a routine, safe to repeat: Check says whether it is done already, Apply does
// it, Verify looks whether what should be there is, also after a Check that found it done. A failed
// StepResult is the user's failure; an error Status is an infrastructure error, except Cancelled and
// DeadlineExceeded, which are the context's.
class Step {
 public:
  virtual ~Step() = default;

  // As in the design: "prepare_image", …
  virtual std::string name() const = 0;
  virtual Place place() const = 0;
  virtual absl::StatusOr<bool> Check(StepContext&) { return false; }
  virtual absl::StatusOr<StepResult> Apply(StepContext& context) = 0;
  // Of the result only failure, exit code and use count.
  virtual absl::StatusOr<StepResult> Verify(StepContext&) { return StepResult{}; }
};

// The steps of one build, and what they share. Made by a routine's factory.
class Routine {
 public:
  virtual ~Routine() = default;

  // In order. The first `preparing_steps()` of them make image and environment ready; the
  // last `collecting_steps()` pack results. Those that are still to come may be others, never more or fewer,
  // after StepEnded.
  virtual const std::vector<std::unique_ptr<Step>>& steps() const = 0;
  virtual int preparing_steps() const = 0;
  virtual int collecting_steps() const = 0;
  // Known after the last step.
  virtual const std::vector<ArtifactFile>& artifacts() const = 0;
  // What helps to see why a build failed that did; known after the step that failed.
  virtual const std::vector<ArtifactFile>& failure_artifacts() const {
    static const auto& none = *new std::vector<ArtifactFile>;
    return none;
  }
  // The environment while there is one, else null; for CPU time and Kill.
  virtual Environment* environment() = 0;
  // Told after each step, for the manifest.
  virtual void StepEnded(absl::string_view step, absl::Duration wall) = 0;
  // Ends the environment, if there is one. Files go with the build's work folder, which is its owner's.
  virtual absl::Status EndEnvironment(absl::Duration grace) = 0;
};

}  // namespace rootwright
