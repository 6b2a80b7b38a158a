#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/build/artifact_publisher.h"
#include "agent/build/ending.h"
#include "agent/build/environment_door.h"
#include "agent/build/event_writer.h"
#include "agent/build/planned_build.h"
#include "agent/build/watchdog.h"
#include "agent/journal/build_journal.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace rootwright {

// One attempt of a build on this host, from PREPARING to BuildFinished. Run does all of it on the thread that
// calls it; the others may be called from any thread.
class Build {
 public:
  // What builds of one agent share; all of it outlives them.
  struct Host {
    RoutineFactory& routines;
    ArtifactPublisher& publisher;
    const Clock& clock;
    WatchdogSettings watchdog;
  };

  // `plan` may be an error: the build then ends with it, so that the submitter hears of it.
  Build(std::shared_ptr<BuildJournal> journal, absl::StatusOr<PlannedBuild> plan, const Host& host);

  // Returns when BuildFinished is in the journal, or the journal cannot even take that: the error then.
  // The environment is gone by then, unless it is kept; RemoveFiles is the caller's next call.
  absl::Status Run();

  // Set before the build's end is told when its environment is kept: then, and on the clock's own time.
  // EndKept comes before RemoveFiles.
  struct Keep {
    absl::Time until;
    Deadline deadline;
  };
  std::optional<Keep> kept() const;
  // A kept environment that lives, and has not filled more disk than the build might.
  bool KeptIsWell() const;
  void EndKept();
  // Removes all that the build made on this host. A large tree takes its time, for which nobody who follows
  // waits.
  void RemoveFiles();

  // Asks it to end that way; the first one to ask decides.
  void End(Ending ending) { watchdog_.End(std::move(ending)); }

  // Into the environment, while there is one.
  absl::StatusOr<std::unique_ptr<Shell>> OpenShell(const ShellCommand& command, std::stop_token stop) {
    return door_.OpenShell(command, std::move(stop));
  }

  const v1::Lease& lease() const { return journal_->lease(); }
  v1::BuildState state() const { return state_; }
  // The step in hand; empty between steps.
  std::string step() const { return writer_.step(); }

 private:
  Ending Prepare();
  Ending RunSteps();
  void Enter(v1::BuildState state);
  void EndEnvironment(absl::Duration grace);
  // Whether the environment of a build that ends so is worth a look, and asked to be kept.
  bool IsToBeKept(const Ending& ending) const;
  absl::Status Finish(const Ending& ending);

  const std::shared_ptr<BuildJournal> journal_;
  const absl::StatusOr<PlannedBuild> plan_;
  const BuildLimits limits_;
  const Host host_;
  const Instant started_;
  std::atomic<v1::BuildState> state_{v1::BUILD_STATE_LEASED};
  EventWriter writer_;
  Watchdog watchdog_;
  EnvironmentDoor door_;
  std::unique_ptr<Routine> routine_;
  int64_t peak_memory_bytes_ = 0;
  absl::Duration cpu_;
  mutable Mutex mutex_;
  std::optional<Keep> kept_ RW_GUARDED_BY(mutex_);
};

}  // namespace rootwright
