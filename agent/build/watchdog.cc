#include "agent/build/watchdog.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/size_text.h"
#include "base/wait.h"

namespace rootwright {
namespace {

// Below this share of one CPU an environment counts as idle.
constexpr double kIdleShare = 0.1;
// CPU time is asked for over at least this long: shorter samples say little.
constexpr absl::Duration kSample = absl::Seconds(1);

}  // namespace

Watchdog::Watchdog(const BuildLimits& limits, WatchdogSettings settings, const Clock& clock,
                   EventWriter& writer, DiskUse disk_use)
    : limits_(limits),
      settings_(settings),
      clock_(clock),
      writer_(writer),
      disk_use_(std::move(disk_use)),
      next_disk_look_(Deadline::At(clock.Now())) {
  asked_at_ = cpu_seen_ = busy_at_ = clock_.Now();
}

void Watchdog::End(Ending ending) {
  {
    MutexLock lock(mutex_);
    if (ending_) return;
    ending_ = std::move(ending);
    asked_at_ = clock_.Now();
  }
  stop_.request_stop();
}

std::optional<Ending> Watchdog::ending() const {
  MutexLock lock(mutex_);
  return ending_;
}

void Watchdog::StartWallLimit() {
  MutexLock lock(mutex_);
  wall_deadline_ = Deadline::In(limits_.wall, clock_.Now());
}

Deadline Watchdog::wall_deadline() const {
  MutexLock lock(mutex_);
  return wall_deadline_;
}

void Watchdog::SetEnvironment(Environment* environment) {
  MutexLock lock(environment_mutex_);
  if (environment == environment_) return;
  environment_ = environment;
  cpu_seen_ = busy_at_ = clock_.Now();
}

void Watchdog::SetStepPlace(Place place) {
  MutexLock lock(mutex_);
  place_ = place;
}

absl::Duration Watchdog::cpu() const {
  MutexLock lock(environment_mutex_);
  return cpu_;
}

void Watchdog::Look() {
  writer_.FlushProgress();
  const Instant now = clock_.Now();
  bool asked, late, timed_out;
  absl::Duration asked_for;
  Place place;
  {
    MutexLock lock(mutex_);
    asked = ending_.has_value();
    timed_out = asked && ending_->outcome == v1::OUTCOME_TIMED_OUT;
    asked_for = Since(asked_at_, now);
    late = wall_deadline_.Passed(now);
    place = place_;
  }
  if (asked) {
    if (timed_out && asked_for < settings_.kill_grace) return;
    MutexLock lock(environment_mutex_);
    if (environment_ != nullptr) environment_->Kill();
  } else if (late) {
    End(TimedOut(absl::StrCat("wall limit of ", LengthText(limits_.wall), " reached in ", writer_.step())));
  } else {
    if (place != Place::kHost) LookAtSilence(now);
    if (disk_use_ != nullptr && next_disk_look_.Passed(now)) LookAtDisk(now);
  }
}

void Watchdog::LookAtDisk(Instant now) {
  const absl::StatusOr<int64_t> used = disk_use_();
  const Instant after = clock_.Now();
  next_disk_look_ = Deadline::In(std::max(settings_.disk_tick, 50 * Since(now, after)), after);
  if (!used.ok() || *used <= limits_.disk_bytes) return;
  End(Failed(absl::StrCat("disk limit of ", SizeText(limits_.disk_bytes), " reached in ", writer_.step(),
                          ": the build's files on the host take ", SizeText(*used))));
}

void Watchdog::LookAtSilence(Instant now) {
  Instant busy_at;
  {
    MutexLock lock(environment_mutex_);
    const absl::Duration sample = Since(cpu_seen_, now);
    if (environment_ != nullptr && sample >= std::min(kSample, limits_.silence / 4)) {
      const auto cpu = environment_->CpuTime();
      // An environment that cannot be asked is not called silent for that: the next call into it will tell.
      if (!cpu.ok() || *cpu - cpu_ > sample * kIdleShare) busy_at_ = now;
      if (cpu.ok()) cpu_ = *cpu;
      cpu_seen_ = now;
    }
    busy_at = busy_at_;
  }
  if (Since(std::max(busy_at, writer_.quiet_since()), now) < limits_.silence) return;
  End(TimedOut(absl::StrCat("silence limit of ", LengthText(limits_.silence), " reached in ", writer_.step(),
                            ": no output and no use of the CPU")));
}

void Watchdog::Start() {
  thread_ = std::jthread([this](std::stop_token stop) {
    while (SleepFor(settings_.tick, stop).ok()) Look();
  });
}

}  // namespace rootwright
