#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/build/ending.h"
#include "agent/build/event_writer.h"
#include "agent/build/limits.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "executors/environment.h"

namespace rootwright {

struct WatchdogSettings {
  // Between two looks.
  absl::Duration tick = absl::Milliseconds(250);
  // From asking a build that timed out to stop to killing its environment: longer than its command may take
  // to end after TERM, so that its last words are in the log. No other ending waits.
  absl::Duration kill_grace = absl::Seconds(8);
  // Between two looks at the disk; longer where one takes long, so that they take 2 % of a CPU at most.
  absl::Duration disk_tick = absl::Seconds(2);
};

// Ends a build that was asked to end, ran out of its wall limit, fills more disk than it may, or has been
// silent for too long: by the stop token, and by killing the environment, which holds nothing that anybody
// wants any more. The first cause counts and becomes the ending. Silent is a step that works in the
// environment when neither output nor progress comes and the environment uses less than a tenth of a CPU: an
// idle kernel under emulation is never wholly idle.
class Watchdog {
 public:
  // Disk that the build's files take on the host; an error counts as not known.
  using DiskUse = std::function<absl::StatusOr<int64_t>()>;

  // `disk_use` may be null: then it is not watched.
  Watchdog(const BuildLimits& limits, WatchdogSettings settings, const Clock& clock, EventWriter& writer,
           DiskUse disk_use = nullptr);

  // Asks the build to end that way. From any thread; only the first call counts.
  void End(Ending ending);
  std::stop_token stop() const { return stop_.get_token(); }
  // Why it was asked; absent when it was not.
  std::optional<Ending> ending() const;

  // --- the build's thread ---
  // From now on; again for a phase that has the limit of its own.
  void StartWallLimit();
  Deadline wall_deadline() const;
  // The environment to ask for CPU time and to kill, null before there is one and before it goes: once the
  // call returns, the old one is not touched any more.
  void SetEnvironment(Environment* environment);
  void SetStepPlace(Place place);
  // Of the environment as last seen.
  absl::Duration cpu() const;

  // One look; what the thread does every tick.
  void Look();
  // Starts the thread; it ends with this object, if not before.
  void Start();
  void Stop() { thread_ = {}; }

 private:
  void LookAtSilence(Instant now);
  void LookAtDisk(Instant now);

  const BuildLimits limits_;
  const WatchdogSettings settings_;
  const Clock& clock_;
  EventWriter& writer_;
  const DiskUse disk_use_;
  std::stop_source stop_;
  // Of the thread that looks.
  Deadline next_disk_look_;

  mutable Mutex mutex_;
  std::optional<Ending> ending_ RW_GUARDED_BY(mutex_);
  Instant asked_at_ RW_GUARDED_BY(mutex_);
  Deadline wall_deadline_ RW_GUARDED_BY(mutex_) = Deadline::Never();
  Place place_ RW_GUARDED_BY(mutex_) = Place::kHost;

  // Held while the environment is used, which may take as long as libvirt does.
  mutable Mutex environment_mutex_;
  Environment* environment_ RW_GUARDED_BY(environment_mutex_) = nullptr;
  absl::Duration cpu_ RW_GUARDED_BY(environment_mutex_);
  Instant cpu_seen_ RW_GUARDED_BY(environment_mutex_);
  Instant busy_at_ RW_GUARDED_BY(environment_mutex_);

  // Last, so that it ends first.
  std::jthread thread_;
};

}  // namespace rootwright
